"""The minutes of a page, shared over its slides by what each of them holds."""


def shared(total, weights):
    """`total` minutes for slides of these weights, in quarters, at least one each.

    Where there are more slides than quarters, all get the same.
    """
    quarters = 4 * total - len(weights)
    if quarters < 0:
        return [total / len(weights)] * len(weights)
    whole = sum(weights) or 1
    exact = [quarters * weight / whole for weight in weights]
    parts = [int(one) for one in exact]
    # what is left goes where most was cut off
    left = sorted(range(len(exact)), key=lambda i: parts[i] - exact[i])
    for i in left[: round(quarters - sum(parts))]:
        parts[i] += 1
    return [(1 + part) / 4 for part in parts]
