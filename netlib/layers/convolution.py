"""Convolution and its transpose, over one, two or three axes."""

from __future__ import annotations

from ..arrays import Array, ArrayLike, Shape
from .images import as_images
from .rules import Shapes
from .sliding_kernel import SlidingKernel


class Convolution(SlidingKernel):
    """``Y = W P``: each number of the output is the dot product of a kernel and a patch.

    W holds the kernels, one in each row, P the patches of x, one in each column, and Y has a column
    for each position. This is the chapter's dot node. So by Eqs. (1.20) and (1.30),
    ∂L/∂W = ∂L/∂Y Pᵀ and ∂L/∂P = Wᵀ ∂L/∂Y. A pixel fans out to all patches that cover it, so its
    gradient is the sum of theirs: the columns of ∂L/∂P, put back into an image.
    """

    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (N, out_channels, …)."""
        x = as_images(x, self, axes=self.axes, channels=self.in_channels, dtype=self.dtype)
        windows = self.windows(x.shape[2:])
        y = self._as_maps(self._kernels() @ self._patches(x, windows), windows)
        return self.remember(self._add_bias(y), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂x."""
        self.backward_parameters(dout)
        dout, x = self.recall(dout)
        return self._put_back(self._kernels().swapaxes(1, 2) @ self._columns(dout), self.windows(x.shape[2:]))

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of weight and bias."""
        dout, x = self.recall(dout)
        patches = self._patches(x, self.windows(x.shape[2:]))
        self._add_gradients(self._columns(dout) @ patches.swapaxes(1, 2), dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a convolution and its gradients."""
        conv, transposed, of_weight = self._words(inputs[0][2:])
        return self._rule(f"{conv}(x, weight)", f"{transposed}(dy, weight)", f"{of_weight}(x, dy)")


class TransposedConvolution(SlidingKernel):
    """The transpose: the patches ``P = Wᵀ X``, put back into an image, where they add up.

    It is the ∂L/∂x of a convolution, so its own is the convolution: ∂L/∂X = W P and ∂L/∂W = X Pᵀ,
    where P now holds the patches of ∂L/∂Y.
    """

    is_transposed = True

    def forward(self, x: ArrayLike) -> Array:
        """Return Y, of shape (N, out_channels, …)."""
        x = as_images(x, self, axes=self.axes, channels=self.in_channels, dtype=self.dtype)
        y = self._put_back(self._kernels().swapaxes(1, 2) @ self._columns(x), self.windows(x.shape[2:]))
        return self.remember(self._add_bias(y), x)

    def backward(self, dout: ArrayLike) -> Array:
        """Add to the gradients of weight and bias, and return ∂L/∂x."""
        dout, x = self.recall(dout)
        windows = self.windows(x.shape[2:])
        patches = self._patches(dout, windows)
        self._add_gradients(self._columns(x) @ patches.swapaxes(1, 2), dout)
        return self._as_maps(self._kernels() @ patches, windows)

    def backward_parameters(self, dout: ArrayLike) -> None:
        """Add to the gradients of weight and bias."""
        dout, x = self.recall(dout)
        patches = self._patches(dout, self.windows(x.shape[2:]))
        self._add_gradients(self._columns(x) @ patches.swapaxes(1, 2), dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a transposed convolution and its gradients."""
        conv, transposed, of_weight = self._words(inputs[0][2:])
        return self._rule(f"{transposed}(x, weight)", f"{conv}(dy, weight)", f"{of_weight}(dy, x)")
