() => { const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const result = [...document.querySelectorAll('.view, .result')].find(shown => shown.offsetParent);
  if (innerWidth < 900) result.scrollIntoView({behavior: still ? 'auto' : 'smooth'}); }
