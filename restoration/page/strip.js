element.addEventListener('click', event => { const b = event.target.closest('button');
  if (b) { trigger('pick', {index: +b.dataset.index}); } });
