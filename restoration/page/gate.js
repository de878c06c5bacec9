(length, sigma, round, across, factor) => { const on = x => ({__type__: 'update', interactive: x});
  return [on(length > 1), on(!round), on(!round && (sigma > 0 || across > 0)), on(factor !== 1)]; }
