() => { const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (innerWidth < 900) document.querySelector('#result').scrollIntoView({behavior: still ? 'auto' : 'smooth'}); }
