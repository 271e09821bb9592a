// Numbers on an axis: round ticks, short texts.

export function format(value, digits = 4) {
  const size = Math.abs(value);
  if (size && (size >= 1e6 || size < 1e-3)) return value.toExponential(2).replace("e+", "e").replaceAll("-", "\u2212");
  return value.toLocaleString("en-GB", { maximumSignificantDigits: digits }).replace("-", "\u2212");
}

// About `count` round steps that hold [low, high].
export function ticks(low, high, count) {
  if (!(high > low)) {
    const room = Math.abs(low) * 0.1 || 1;
    [low, high] = [low - room, high + room];
  }
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= rough * 0.999);
  const first = Math.floor(low / step + 1e-6), last = Math.ceil(high / step - 1e-6);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// [low, high] of what is finite; [0, 1] of nothing.
export function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}
