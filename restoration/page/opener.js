// A link holds its recipe behind the #, which a browser keeps to itself: it is handed over here.
const follow = () => { const token = new URLSearchParams(location.hash.slice(1)).get('recipe');
  if (token) trigger('recipe', {token}); };
addEventListener('hashchange', follow); follow();
