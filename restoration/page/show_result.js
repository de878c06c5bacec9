() => { const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const result = [...document.querySelectorAll('.view, .result')].find(shown => shown.offsetParent);
  const {top} = result.getBoundingClientRect();
  if (innerWidth < 900 || top < 0 || top > innerHeight / 2) result.scrollIntoView({behavior: still ? 'auto' : 'smooth'}); }
