// The before/after slider: a real range input over two pictures, so that keyboard, touch and screen reader work.
const slide = (scope, at) => { const input = scope.querySelector('.compare input'); if (!input) return;
  const place = () => { input.value = at.now; input.setAttribute('aria-valuetext', at.now + ' percent');
    input.closest('.compare').style.setProperty('--at', at.now + '%'); };
  input.oninput = () => { at.now = +input.value; place(); }; place(); };
