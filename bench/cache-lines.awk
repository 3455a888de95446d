# Reads a trace of lackey, and prints the median of the cache lines that a hit touches, and how many of them are of the stack.
# Sixteen accesses to one place in a row are a mark; each hit is between two marks.
function median(all, n,    i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && all[j - 1] > all[j]; j--) { t = all[j]; all[j] = all[j - 1]; all[j - 1] = t }
    return all[int((n + 1) / 2)]
}
$1 != "S" && $1 != "L" && $1 != "M" { next }
{
    at = substr($2, 1, index($2, ",") - 1)
    run = at == last ? run + 1 : 1
    last = at
    marked = run % 16 == 0
    if (!inside && !marked) next
    # A line has 64 bytes: all digits but the last, and of the one before it the upper half.
    digits = length(at)
    line = substr(at, 1, digits - 2) "." int((index("0123456789abcdef", substr(at, digits - 1, 1)) - 1) / 4)
    if (!marked) { touched[line] = 1; next }
    if (inside) {
        count = stack = 0
        for (one in touched) if (one != line) { count++; stack += one ~ /^1ff/ }
        counts[++hits] = count
        stacks[hits] = stack
    }
    split("", touched)
    inside = !inside
}
END {
    if (!hits || inside) exit 1
    print median(counts, hits), median(stacks, hits)
}
