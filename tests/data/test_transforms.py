"""The transforms of a batch."""

import numpy as np
import pytest

import netlib as nl

IMAGES = np.random.default_rng(0).normal(size=(200, 2, 4, 5)).astype(np.float32)
T = np.arange(200)


def drawn(transform, x=IMAGES, t=T, seed=0):
    before = np.array(x), np.array(t)
    result = transform(x, t, np.random.default_rng(seed))
    assert (before[0] == x).all()
    assert (before[1] == t).all()
    return result


def moved(image, down, right):
    """Return an image moved by hand, pixel by pixel."""
    result = np.zeros_like(image)
    for row in range(image.shape[-2]):
        for column in range(image.shape[-1]):
            if 0 <= row - down < image.shape[-2] and 0 <= column - right < image.shape[-1]:
                result[..., row, column] = image[..., row - down, column - right]
    return result


def test_a_shifted_image_is_one_of_the_25_that_two_pixels_allow_and_all_of_them_come_up():
    x, t = drawn(nl.data.shift(2))
    assert t is T
    assert x.dtype == np.float32
    seen = set()
    for image, result in zip(IMAGES, x, strict=True):
        ways = [(down, right) for down in range(-2, 3) for right in range(-2, 3) if (moved(image, down, right) == result).all()]
        assert len(ways) == 1
        seen.update(ways)
    assert len(seen) == 25


@pytest.mark.parametrize("axis", [-1, 2, 1])
def test_a_flip_mirrors_about_as_many_samples_as_it_should(axis):
    x, _ = drawn(nl.data.flip(axis, p=0.3))
    is_mirrored = (x == np.flip(IMAGES, axis)).all(axis=(1, 2, 3))
    is_same = (x == IMAGES).all(axis=(1, 2, 3))
    assert (is_mirrored ^ is_same).all()
    assert 0.2 < is_mirrored.mean() < 0.4


def test_noise_has_its_standard_deviation_and_keeps_the_type():
    x, _ = drawn(nl.data.noise(0.5))
    assert x.dtype == np.float32
    assert abs((x - IMAGES).std() - 0.5) < 0.02
    assert abs((x - IMAGES).mean()) < 0.02


def test_mixup_mixes_inputs_and_targets_by_the_same_share():
    onehot = np.eye(4, dtype=np.float32)[T % 4]
    x, t = drawn(nl.data.mixup(alpha=1.0), x=onehot, t=onehot)
    assert (x == t).all()
    np.testing.assert_allclose(x.sum(axis=1), 1, rtol=1e-6)
    shares = np.unique(x.round(5))
    assert 0 < shares[1] < 1  # those of the two classes, once each is not the same
    labelled = drawn(nl.data.mixup(alpha=1.0, classes=4), x=onehot, t=T % 4)[1]
    assert (labelled == t).all()
    assert labelled.dtype == np.float32


def test_the_share_follows_the_beta_distribution():
    mix, x = nl.data.mixup(alpha=0.4), np.array([[0.0], [1.0]])
    rng = np.random.default_rng(0)
    shares = [min(mix(x, x, rng)[0].ravel()) for _ in range(2000)]  # 0 or min(share, 1 - share)
    mixed = [share for share in shares if share > 0]
    draws = np.random.default_rng(1).beta(0.4, 0.4, 100_000)
    assert abs(np.mean(mixed) - np.minimum(draws, 1 - draws).mean()) < 0.02


def test_the_same_generator_gives_the_same_batch_and_the_next_call_another():
    change = nl.data.compose(nl.data.shift(1), nl.data.flip(), nl.data.noise(0.1))
    assert (drawn(change)[0] == drawn(change)[0]).all()
    rng = np.random.default_rng(0)
    assert not (change(IMAGES, T, rng)[0] == change(IMAGES, T, rng)[0]).all()


def test_an_empty_batch_stays_empty():
    for transform in (nl.data.shift(1), nl.data.flip(), nl.data.noise(0.1), nl.data.mixup(classes=3)):
        assert len(drawn(transform, x=IMAGES[:0], t=T[:0])[0]) == 0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: nl.data.shift(0), nl.InvalidValueError, "pixels"),
        (lambda: drawn(nl.data.shift(1), x=np.ones((3, 64))), nl.ShapeError, r"got x of shape \(3, 64\).*reshape"),
        (lambda: drawn(nl.data.flip(0)), nl.ShapeError, "other than the first"),
        (lambda: drawn(nl.data.flip(4)), nl.ShapeError, "axis is 4"),
        (lambda: nl.data.flip(p=1.5), nl.InvalidValueError, "at most 1"),
        (lambda: nl.data.noise(-1), nl.InvalidValueError, "std"),
        (lambda: nl.data.mixup(0), nl.InvalidValueError, "alpha is 0"),
        (lambda: drawn(nl.data.mixup()), nl.InvalidTypeError, r"mixup\(classes=10\)"),
        (lambda: drawn(nl.data.mixup(classes=10)), nl.InvalidValueError, "from 0 to 199, expected 0 to 9"),
        (lambda: nl.data.flip()((IMAGES, IMAGES), T, np.random.default_rng(0)), nl.InvalidTypeError, "several inputs"),
        (lambda: nl.data.flip()(1.0, T, np.random.default_rng(0)), nl.ShapeError, "a number"),
        (lambda: nl.data.compose("flip"), nl.InvalidTypeError, "'flip'"),
    ],
)
def test_what_cannot_work_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
