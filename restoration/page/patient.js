// A page that was kept stands before its server does. Between the two nobody listens: whoever is asked then is asked again.
{
  const ask = window.fetch;
  let answered = false;
  window.fetch = async (...what) => {
    for (let left = 200; ; left--) {
      try {
        const answer = await ask(...what);
        answered = true;
        return answer;
      } catch (error) {
        if (answered || !left || what[1]?.signal?.aborted) throw error;
        await new Promise(later => setTimeout(later, 100));
      }
    }
  };
}
