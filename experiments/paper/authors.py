"""Figures that the authors publish with PrivDNN (LiangqinRen/PrivDNN, commit a60ffc3: README, bin/run.sh,
analyze_result/). Accuracies in percent, on half of the official test images; Tiny ImageNet's count a label among the
first five. Seconds of encrypted inference are of that half, on 8 cores of an AMD Ryzen 7 3700X.
"""

PERCENTS = list(range(50, 101, 5))

# A_o.
ORIGINAL = {"mnist": 99.36, "emnist-letters": 93.08, "gtsrb": 93.51, "cifar10": 90.76, "tiny-imagenet": 72.00}

# A_t: from 1,000 samples alone.
SCRATCH = {"cifar10": 49.94, "gtsrb": 91.45, "tiny-imagenet": 10.14}

# By the share of the filters of the first two layers that is encrypted, PERCENTS: A_s, A_r, A_rec with all weights
# trained and with the known ones frozen (not published for Tiny ImageNet), seconds of encrypted inference.
BY_PERCENT = {
    "cifar10": {
        "separated": [90.78, 90.76, 90.64, 90.54, 90.68, 90.52, 90.56, 90.46, 90.26, 90.48, 90.22],
        "without_core": [55.90, 52.50, 43.68, 44.06, 43.74, 24.90, 18.48, 13.38, 9.82, 9.78, 9.78],
        "freeze": [82.74, 82.34, 79.90, 78.92, 77.70, 21.88, 24.62, 24.90, 23.30, 24.16, 20.82],
        "recover": [83.60, 83.24, 80.90, 79.66, 78.66, 58.20, 43.14, 39.42, 34.12, 35.02, 30.18],
        "seconds": [31097, 33723, 36316, 39310, 42210, 45378, 48940, 51940, 54940, 57940, 60940],
    },
    "gtsrb": {
        "separated": [94.27, 94.25, 94.19, 94.19, 94.27, 94.25, 94.24, 94.35, 94.16, 94.08, 93.51],
        "without_core": [68.95, 62.44, 55.72, 50.66, 44.59, 37.96, 29.74, 22.95, 11.40, 3.78, 1.01],
        "freeze": [66.41, 61.54, 53.63, 48.57, 44.09, 34.87, 27.70, 21.25, 11.83, 5.99, 1.66],
        "recover": [92.70, 92.59, 91.89, 91.40, 90.63, 90.40, 86.32, 85.68, 80.35, 74.60, 5.42],
        "seconds": [54185, 58768, 63378, 68500, 73599, 79268, 85399, 90701, 95889, 101028, 108762],
    },
    "tiny-imagenet": {
        "separated": [72.02, 72.14, 72.06, 72.22, 71.92, 72.04, 72.02, 72.06, 72.14, 72.00, 72.00],
        "without_core": [45.66, 41.04, 38.78, 32.22, 32.78, 26.76, 19.16, 17.36, 10.00, 4.94, 2.50],
        "recover": [66.16, 66.04, 65.66, 64.76, 63.58, 61.88, 59.10, 56.86, 45.14, 15.44, 4.20],
        "seconds": [143300, 155800, 168506, 184363, 198387, 213730, 231486, 247753, 263162, 278112, 297387],
    },
}

# Images of the half of the official test set that the seconds are of.
TEST_HALF = {"cifar10": 5000, "gtsrb": 6315, "tiny-imagenet": 5000}
