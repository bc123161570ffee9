"""The networks that most benchmarks share: Adam, relu, softmax cross-entropy."""

NETWORKS = {  # layer sizes, batch size
    "iris": ([4, 100, 3], 120),
    "digits": ([64, 64, 10], 32),
    "tab": ([28, 256, 256, 256, 2], 512),
    "fmnist": ([784, 128, 64, 10], 128),
    "wide": ([784, 1024, 1024, 10], 256),
    "course": ([12288, 20, 7, 5, 2], 209),
}


def chosen(options) -> dict[str, tuple[list[int], int]]:
    """The networks named by --only, or all of them."""
    names = options.only.split(",") if options.only else list(NETWORKS)
    return {name: NETWORKS[name] for name in names}


def dashed(sizes: list[int]) -> str:
    """Layer sizes as text: 784-128-64-10."""
    return "-".join(map(str, sizes))


def label(name: str) -> str:
    """Name, layer sizes and batch size of a network."""
    sizes, batch = NETWORKS[name]
    return f"{name} {dashed(sizes)}, batch {batch}"
