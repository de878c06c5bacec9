// A link holds its recipe behind the #, which a browser keeps to itself: it is handed over here.
// Until it is open a line says so: while the app is starting that takes seconds, and the page shows something else.
const line = document.createElement('p'); line.className = 'opening'; line.setAttribute('role', 'status');
const put = () => { const tabs = document.querySelector('#tabs'); if (tabs) tabs.before(line); else requestAnimationFrame(put); }; put();
const say = text => { line.textContent = text; line.hidden = !text; };
const follow = () => { const token = new URLSearchParams(location.hash.slice(1)).get('recipe');
  if (token) { say('Opening what the link describes …'); trigger('recipe', {token}); } };
watch('value', () => say('')); say('');
addEventListener('hashchange', follow); follow();
