"""Tables, images and texts, toy problems, readers of files, splits, and mini-batches."""

from .batches import batches as batches
from .cars import cars as cars
from .co2 import co2 as co2
from .csv import read_csv as read_csv
from .digits import digits as digits
from .idx import read_idx as read_idx
from .images import read_images as read_images
from .names import names as names
from .penguins import penguins as penguins
from .split import train_test_split as train_test_split
from .text import text as text
from .toys import blobs as blobs
from .toys import circles as circles
from .toys import linear as linear
from .toys import moons as moons
from .toys import sine as sine
from .toys import spirals as spirals
from .toys import xor as xor
from .transforms import compose as compose
from .transforms import flip as flip
from .transforms import mixup as mixup
from .transforms import noise as noise
from .transforms import shift as shift
