"""Every threshold that chooses blocks, threads and storage orders in the Python layer.

Each value has its unit and the benchmark or the reason that set it. Modules read them at the time of use, as
``_tuning.NAME``, so that a test can change one (fixture `tuning`). The compiled core has its own in `_core/tuning.pxd`
and `csrc/tuning.h`.
"""

# ---- Threads

# Largest number of threads in a team.
MAX_TEAM = 64
# Seconds after which the CPU quota is read again: reading its files takes a fraction of a millisecond.
QUOTA_SECONDS = 5.0
# Multiply-adds of a training step below which one thread is faster than two (python bench shards).
MIN_SHARD_WORK = 1_000_000
# Multiply-adds for each parameter below which a second gradient arena costs more to fill and add up than it saves.
# Only steps on a sparse X or on very few examples have so few.
MIN_SHARD_WORK_PER_PARAMETER = 16
# Parameters from which threads split the update even where one thread computes the gradient (python bench shards).
MIN_PARAMETERS_SPLIT_UPDATE = 200_000
# Examples that a shard needs to fill the registers of the matrix products.
MIN_SHARD_EXAMPLES = 8
# Multiply-adds of a prediction below which it stays on the caller's thread (python bench predict).
MIN_PARALLEL_PREDICTION_WORK = 500_000
# Multiply-adds up to which every BLAS computes a product on one thread (OpenBLAS starts threads from 262,144 on).
MAX_SERIAL_BLAS_WORK = 200_000

# ---- Blocks

# Bytes of activations in a block of rows that goes through all layers: it fits in the L2 cache.
FORWARD_BLOCK_BYTES = 256 * 1024
# Rows that such a block has at least: each block reads all of W (python bench predict).
MIN_FORWARD_BLOCK_ROWS = 128
# Rows evaluated at a time: the outputs of all rows would be a copy of a large part of the data.
EVALUATION_BLOCK_ROWS = 16384
# Rows whose caches are held at a time for the gradient over all examples.
GRADIENT_BLOCK_ROWS = 8192
# Bytes read at a time from an object that is read by slices: large for a disk or decompressor, small for memory.
READ_BLOCK_BYTES = 16 * 2**20
# Rows of a shuffled order that are computed at a time.
SHUFFLE_CHUNK_ROWS = 65536
# Rows above which the order of an epoch is not stored, since its memory would grow with them.
MAX_STORED_ORDER_ROWS = 1 << 20
# Random numbers drawn at a time: a float64 array for all of a float32 W would take twice its memory.
INITIALIZER_BLOCK = 1 << 20

# ---- Storage order of W (python bench orders)

# W is row-major if n[l-1] >= this * n[l]: dW of such a skinny product is up to twice as fast.
MIN_ROW_MAJOR_ASPECT = 64
# W is row-major if n[l] <= this, above the first layer: dW fills the vectors, dA needs no transposition.
MAX_ROW_MAJOR_UNITS = 16

# ---- Scoring during training

# Training examples that candidate parameters are scored on without validation data.
SCORED_EXAMPLES = 128
# Number of reads that supply those examples if X is read by slices.
SCORED_EXAMPLES_READS = 8
# Steps between two scores of the parameters without early stopping, fewer at first: 1 to 2 % of the time.
STEPS_PER_SCORE = 128
# Training examples, evenly spaced, that the progress bar's metric is computed on without validation data.
PROGRESS_EXAMPLES = 1000
