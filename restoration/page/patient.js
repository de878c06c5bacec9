// A page that was kept stands before its server does. Until that answers a line says so.
// Between the two servers nobody listens: whoever is asked then is asked again.
{
  const line = document.createElement('p');
  line.setAttribute('role', 'status');
  line.textContent = 'The networks are being loaded: what you press is done in a few seconds.';
  line.style = `position: fixed; left: 50%; bottom: 88px; transform: translateX(-50%); z-index: 90; margin: 0; padding: 8px 16px;
    width: max-content; max-width: 88vw; border-radius: 18px; background: #1c1917; color: #fff; font: 600 14px/1.4 sans-serif`;
  addEventListener('DOMContentLoaded', () => document.body.append(line));
  const ask = window.fetch;
  let answered = false;
  window.fetch = async (...what) => {
    for (let left = 200; ; left--) {
      try {
        const answer = await ask(...what), address = answer.url;
        if (address.includes('/gradio_api/') && !address.includes('/file=')) { // the app itself has said something
          answered = true;
          line.remove();
        }
        return answer;
      } catch (error) {
        if (answered || !left || what[1]?.signal?.aborted) throw error;
        await new Promise(later => setTimeout(later, 100));
      }
    }
  };
}
