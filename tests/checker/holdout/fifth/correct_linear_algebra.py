import numpy as np

import netlib as nl


class MatMul(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a @ b

    def backward(self, dout):
        return dout @ self.b.swapaxes(-1, -2), self.a.swapaxes(-1, -2) @ dout


class AffineTransposed(nl.Layer):
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=(n, n)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value.T

    def backward(self, dout):
        self.w.grad += dout.T @ self.x
        return dout @ self.w.value


class QuadraticForm(nl.Layer):
    def __init__(self, rng, n):
        self.a = nl.Parameter(rng.normal(size=(n, n)))

    def forward(self, x):
        self.x = x.copy()
        return np.einsum("ni,ij,nj->n", x, self.a.value, x)

    def backward(self, dout):
        self.a.grad += np.einsum("n,ni,nj->ij", dout, self.x, self.x)
        return dout[:, None] * (self.x @ (self.a.value + self.a.value.T))


class SymmetricForm(nl.Layer):
    """A is symmetric and fixed, so that 2 A x is right."""

    def __init__(self, rng, n):
        a = rng.normal(size=(n, n))
        self.a = nl.Buffer(a + a.T)

    def forward(self, x):
        self.x = x.copy()
        self.m = self.a.value.astype(x.dtype)
        return np.einsum("ni,ij,nj->n", x, self.m, x)

    def backward(self, dout):
        return 2 * dout[:, None] * (self.x @ self.m)


class Inverse(nl.Layer):
    def forward(self, a):
        self.y = np.linalg.inv(a)
        return self.y.copy()

    def backward(self, dout):
        yt = self.y.swapaxes(-1, -2)
        return -yt @ dout @ yt


class Solve(nl.Layer):
    def forward(self, a, b):
        self.a = a.copy()
        self.x = np.linalg.solve(a, b)
        return self.x.copy()

    def backward(self, dout):
        g = np.linalg.solve(self.a.T, dout)
        return -np.outer(g, self.x), g


class LogDet(nl.Layer):
    def forward(self, a):
        self.a = a.copy()
        return np.linalg.slogdet(a)[1]

    def backward(self, dout):
        return np.asarray(dout)[..., None, None] * np.linalg.inv(self.a).swapaxes(-1, -2)


class Gram(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return x @ x.T

    def backward(self, dout):
        return (dout + dout.T) @ self.x


class LowRank(nl.Layer):
    def __init__(self, rng, n, r):
        self.u = nl.Parameter(rng.normal(size=(n, r)))
        self.v = nl.Parameter(rng.normal(size=(n, r)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.u.value @ self.v.value.T

    def backward(self, dout):
        dw = self.x.T @ dout
        self.u.grad += dw @ self.v.value
        self.v.grad += dw.T @ self.u.value
        return dout @ self.v.value @ self.u.value.T


class Trace(nl.Layer):
    def forward(self, a):
        self.n = a.shape[-1]
        return np.trace(a, axis1=-2, axis2=-1)

    def backward(self, dout):
        return np.asarray(dout)[..., None, None] * np.eye(self.n, dtype=dout.dtype)


class Transpose(nl.Layer):
    def forward(self, x):
        return x.transpose(2, 0, 1).copy()

    def backward(self, dout):
        return dout.transpose(1, 2, 0).copy()


class OrthogonalMap(nl.Layer):
    """Householder reflection by a learned vector."""

    def __init__(self, rng, n):
        self.v = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.x = x.copy()
        v = self.v.value
        self.s, self.q = x @ v, v @ v
        return x - 2 * np.outer(self.s, v) / self.q

    def backward(self, dout):
        v = self.v.value
        g = dout @ v
        self.v.grad += -2 / self.q * (self.s @ dout + g @ self.x) + 4 * (self.s @ g) / self.q**2 * v
        return dout - 2 * np.outer(g, v) / self.q


def r(rng, *s):
    return rng.normal(size=s)


def good(rng, *s):
    return rng.normal(size=s) + 3 * np.eye(s[-1])


CORRECT = {
    "MatMul": lambda rng: (MatMul(), (r(rng, 5, 3), r(rng, 3, 3))),
    "MatMulBatched": lambda rng: (MatMul(), (r(rng, 2, 3, 3), r(rng, 2, 3, 3))),
    "AffineTransposed": lambda rng: (AffineTransposed(rng, 3), (r(rng, 5, 3),)),
    "QuadraticForm": lambda rng: (QuadraticForm(rng, 3), (r(rng, 4, 3),)),
    "SymmetricForm": lambda rng: (SymmetricForm(rng, 3), (r(rng, 4, 3),)),
    "Inverse": lambda rng: (Inverse(), (good(rng, 2, 3, 3),)),
    "Solve": lambda rng: (Solve(), (good(rng, 3, 3), r(rng, 3))),
    "LogDet": lambda rng: (LogDet(), (good(rng, 4, 3, 3),)),
    "Gram": lambda rng: (Gram(), (r(rng, 4, 3),)),
    "LowRank": lambda rng: (LowRank(rng, 4, 2), (r(rng, 5, 4),)),
    "Trace": lambda rng: (Trace(), (r(rng, 2, 3, 3),)),
    "Transpose": lambda rng: (Transpose(), (r(rng, 3, 3, 3),)),
    "OrthogonalMap": lambda rng: (OrthogonalMap(rng, 3), (r(rng, 4, 3),)),
}
