"""Data sets: handwritten digits that ship with fastnn, the planar flower, and a reader of IDX files.

Examples are rows: X is (m, n_x), y is (m,). Importing this module loads no data.
"""

import gzip
import math
import operator
import os
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fastnn._data.split import stratified_split

__all__ = ["load_digits", "load_fashion_mnist", "load_idx_folder", "make_flower", "read_idx", "stratified_split"]

Seed = int | np.random.Generator | None

_DATA = Path(__file__).parent
_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # the folder of the Debian package
_CHUNK = 1 << 20
# The densest code of Deflate copies 258 bytes with 2 bits: a byte of a gzip file yields at most 1032 bytes.
_DEFLATE_MAX_RATIO = 258 * 4
_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Load the 1797 handwritten digits that ship with fastnn.

    The data are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, UCI Machine
    Learning Repository, 1998, DOI 10.24432/C50P49, CC BY 4.0): images of 8 x 8 pixels, stored row by row. Each pixel
    counts the ink dots in a 4 x 4 block of the scan.

    Returns
    -------
    X : ndarray of shape (1797, 64), float64
        Pixels from 0 (paper) to 16 (ink), as in the source; divide by 16 to scale them to [0, 1].
    y : ndarray of shape (1797,), int64
        The digits, 0 to 9.
    """
    pixels = read_idx(_DATA / "digits-images-idx3-ubyte.gz")
    labels = read_idx(_DATA / "digits-labels-idx1-ubyte.gz")
    return pixels.reshape(len(pixels), -1).astype(np.float64), labels.astype(np.int64)


def make_flower(
    n_samples: int = 400, *, noise: float = 0.2, n_petals: int = 4, random_state: Seed = None
) -> tuple[np.ndarray, np.ndarray]:
    """Generate the planar flower of the course: two classes that no straight line separates.

    The points of class j (0 or 1) lie on the polar curve r = 4 sin(n_petals t) for t from j pi to (j + 1) pi. Each half
    wave is one petal, which makes ``n_petals`` petals per class. A half wave with r < 0 is drawn on the opposite side,
    at t + pi, so that the petals of both classes alternate around the origin, except in two places where neighbouring
    petals belong to the same class::

        t[i] = pi (j + i / (m[j] - 1)) + noise * N(0, 1)      i = 0 .. m[j] - 1
        r[i] = 4 sin(n_petals t[i])    + noise * N(0, 1)
        x[i] = (r[i] sin t[i], r[i] cos t[i])

    Parameters
    ----------
    n_samples : int
        Number of examples m, at least 2; class 0 has m[0] = ceil(m / 2), class 1 has m[1] = floor(m / 2).
    noise : float
        Standard deviation of the noise added to the angle (in radians) and to the radius, at least 0.
    n_petals : int
        Number of petals per class; even, because with an odd number the curves of both classes coincide.
    random_state : int, numpy.random.Generator or None
        Seed, as for ``numpy.random.default_rng``.

    Returns
    -------
    X : ndarray of shape (m, 2), float64
    y : ndarray of shape (m,), int64
        0 or 1. The examples come in random order.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not as described.
    """
    if operator.index(n_samples) < 2:
        raise ValueError(f"n_samples must be at least 2, one example for each class, got {n_samples}")
    if operator.index(n_petals) < 2 or n_petals % 2:
        raise ValueError(f"n_petals must be an even number, 2 or more, got {n_petals}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must be a finite number, 0 or more, got {noise!r}")
    rng = np.random.default_rng(random_state)
    m = ((n_samples + 1) // 2, n_samples // 2)
    t = np.pi * np.concatenate([j + np.linspace(0.0, 1.0, m[j]) for j in (0, 1)])
    t += noise * rng.standard_normal(n_samples)
    r = 4.0 * np.sin(n_petals * t) + noise * rng.standard_normal(n_samples)
    X = np.stack([r * np.sin(t), r * np.cos(t)], axis=1)
    y = np.repeat(np.arange(2, dtype=np.int64), m)
    order = rng.permutation(n_samples)
    return X[order], y[order]


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an IDX file, plain or gzipped, the format of MNIST and Fashion-MNIST.

    The file consists of two zero bytes, the type code, the number of dimensions, each dimension as uint32, and the
    values in C order. All numbers are big-endian.

    Parameters
    ----------
    path : str or os.PathLike
        The file; gzip is detected by content, not by name.

    Returns
    -------
    ndarray
        C-ordered and writable, in native byte order; uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    ValueError
        If the file is not an IDX file, or does not hold exactly the values that its header declares. Memory is only
        allocated for bytes that exist, so a wrong header cannot exhaust it.
    OSError
        If the file cannot be read.
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_gzip:
            return _parse_idx(file, size, name)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _parse_idx(unpacked, size * _DEFLATE_MAX_RATIO, name)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{name!r}: the gzip data are truncated or damaged ({error})") from error


def _parse_idx(stream: BinaryIO | gzip.GzipFile, max_bytes: int, name: str) -> np.ndarray:
    """Read one IDX array; `max_bytes` is an upper bound on the bytes in the stream."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_DTYPES or magic[3] == 0:
        raise ValueError(
            f"{name!r} is not an IDX file: it must begin with 00 00, a type code (08, 09, 0b, 0c, 0d or 0e) and the "
            f"number of dimensions, got {magic.hex(' ') or 'no bytes'}"
        )
    dtype, n_dims = np.dtype(_IDX_DTYPES[magic[2]]), magic[3]
    dimensions = stream.read(4 * n_dims)
    if len(dimensions) < 4 * n_dims:
        raise ValueError(f"{name!r} is truncated: its IDX header must have {n_dims} dimensions of 4 bytes")
    shape = tuple(np.frombuffer(dimensions, ">u4").tolist())
    declared = math.prod(shape) * dtype.itemsize
    what = f"its IDX header declares {' x '.join(map(str, shape))} values of {dtype.name}, {declared} bytes"
    if declared > max_bytes:
        raise ValueError(f"{name!r} is truncated or damaged: {what}, more than the file can hold")
    values = _read_at_most(stream, declared + 1)
    if len(values) < declared:
        raise ValueError(f"{name!r} is truncated: {what}, but only {len(values)} follow")
    if len(values) > declared:
        raise ValueError(f"{name!r} is damaged: {what}, but more follow")
    try:
        array: np.ndarray = np.ndarray(shape, dtype, buffer=values)
    except ValueError as error:  # too many dimensions for NumPy, or a dimension of 0 and a too large one
        raise ValueError(f"{name!r}: {what}, which does not make an array ({error})") from error
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


def _read_at_most(stream: BinaryIO | gzip.GzipFile, size: int) -> bytearray:
    """Read up to `size` bytes in chunks, without allocating memory for bytes that do not exist."""
    data = bytearray()
    while len(data) < size and (chunk := stream.read(min(_CHUNK, size - len(data)))):
        data += chunk
    return data


def load_idx_folder(folder: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load a data set that consists of four IDX files named like those of MNIST.

    Parameters
    ----------
    folder : str or os.PathLike
        Folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
        ``t10k-labels-idx1-ubyte``, plain or with ``.gz``; plain files take precedence. Names may use '.' or '_' instead
        of '-', and ``test`` instead of ``t10k``.

    Returns
    -------
    X_train : ndarray of shape (m_train, rows * columns), uint8
    y_train : ndarray of shape (m_train,), int64
    X_test : ndarray of shape (m_test, rows * columns), uint8
    y_test : ndarray of shape (m_test,), int64

    Raises
    ------
    FileNotFoundError
        If the folder or a file is missing; the message lists all missing files.
    ValueError
        If a file is damaged or does not hold images (3 dimensions, uint8) or labels (1 dimension, integers), or if the
        numbers of images and labels, or the image sizes of training and test set, differ.
    """
    names = sorted(os.listdir(folder))  # "x" comes before "x.gz"
    paths, missing = [], []
    for prefix, alias in (("train", "train"), ("t10k", "t10k|test")):
        for kind, n_dims in (("images", 3), ("labels", 1)):
            pattern = re.compile(rf"(?:{alias})[-._]{kind}[-._]idx{n_dims}[-._]ubyte(?:\.gz)?", re.IGNORECASE)
            found = next(filter(pattern.fullmatch, names), None)
            if found is None:
                missing.append(f"{prefix}-{kind}-idx{n_dims}-ubyte[.gz]")
            else:
                paths.append(os.path.join(folder, found))
    if missing:
        raise FileNotFoundError(f"{os.fspath(folder)!r} must hold four IDX files, it lacks {', '.join(missing)}")
    X_train, y_train = _load_pair(paths[0], paths[1])
    X_test, y_test = _load_pair(paths[2], paths[3])
    if X_train.shape[1:] != X_test.shape[1:]:
        raise ValueError(
            f"training and test pictures must have one size, got {X_train.shape[1:]} in {paths[0]!r} "
            f"and {X_test.shape[1:]} in {paths[2]!r}"
        )
    n_x = math.prod(X_train.shape[1:])
    return X_train.reshape(len(X_train), n_x), y_train, X_test.reshape(len(X_test), n_x), y_test


def _load_pair(images_path: str, labels_path: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images (m, rows, columns) and their labels (m,)."""
    labels = read_idx(labels_path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{labels_path!r} must hold integer labels (m,), got {labels.dtype} {labels.shape}")
    images = read_idx(images_path)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(f"{images_path!r} must hold uint8 (m, rows, columns), got {images.dtype} {images.shape}")
    if len(images) != len(labels):
        raise ValueError(f"{images_path!r} holds m = {len(images)} pictures, but {labels_path!r} {len(labels)} labels")
    return images, labels.astype(np.int64)


def load_fashion_mnist(
    folder: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Load Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017, arXiv:1708.07747): 70 000 images of 28 x 28 pixels.

    Parameters
    ----------
    folder : str, os.PathLike or None
        Folder with the four IDX files; by default that of the Debian package ``dataset-fashion-mnist``.

    Returns
    -------
    X_train, y_train, X_test, y_test : ndarray
        (60000, 784) uint8, (60000,) int64, (10000, 784) uint8, (10000,) int64; see `load_idx_folder`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load_idx_folder`. If the Debian package is missing, the message says how to get the data.
    """
    if folder is None and not _FASHION_MNIST.is_dir():
        raise FileNotFoundError(
            f"Fashion-MNIST is not in {str(_FASHION_MNIST)!r}: run `apt-get install dataset-fashion-mnist` (Debian, "
            "Ubuntu), or pass the folder with its four IDX files (https://github.com/zalandoresearch/fashion-mnist)"
        )
    return load_idx_folder(_FASHION_MNIST if folder is None else folder)
