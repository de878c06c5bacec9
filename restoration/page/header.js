element.addEventListener('click', event => { if (!event.target.closest('button')) return;
  document.querySelectorAll('#panel [role=tab]')[1].click();
  document.querySelector('#panel').scrollIntoView({block: 'start'}); });
