import numpy as np

import netlib as nl


class MatMul(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a @ b


class MatMulNoTransposeA(MatMul):  # da = dout @ b
    def backward(self, dout):
        return dout @ self.b, self.a.T @ dout


class MatMulOrder(MatMul):  # db = dout.T @ a
    def backward(self, dout):
        return dout @ self.b.T, dout.T @ self.a


class MatMulNegativeB(MatMul):  # sign of db
    def backward(self, dout):
        return dout @ self.b.T, -self.a.T @ dout


class AffineWeightShape(nl.Layer):  # (out, in) for a square weight
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=(n, n)))
        self.b = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value + self.b.value

    def backward(self, dout):
        self.w.grad += dout.T @ self.x
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T


class AffineStaleWeight(AffineWeightShape):  # dx with a copy of the weight of the first forward
    first = None

    def forward(self, x):
        if self.first is None:
            self.first = self.w.value.T.copy()
        return super().forward(x)

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        self.b.grad += dout.sum(axis=0)
        return dout @ self.first


class BilinearSymmetric(nl.Layer):  # xᵀ A x with 2 A x although A is not symmetric
    def __init__(self, rng, n):
        self.a = nl.Parameter(rng.normal(size=(n, n)))

    def forward(self, x):
        self.x = x.copy()
        return np.einsum("ni,ij,nj->n", x, self.a.value, x)

    def backward(self, dout):
        self.a.grad += np.einsum("n,ni,nj->ij", dout, self.x, self.x)
        return 2 * dout[:, None] * (self.x @ self.a.value.T)


class BilinearOneSide(BilinearSymmetric):  # only one of the two x
    def backward(self, dout):
        self.a.grad += np.einsum("n,ni,nj->ij", dout, self.x, self.x)
        return dout[:, None] * (self.x @ self.a.value.T)


class InverseNoMinus(nl.Layer):  # + yᵀ dout yᵀ
    def forward(self, a):
        self.y = np.linalg.inv(a)
        return self.y.copy()

    def backward(self, dout):
        yt = self.y.swapaxes(-1, -2)
        return yt @ dout @ yt


class InverseNoTranspose(InverseNoMinus):  # - y dout y
    def backward(self, dout):
        return -self.y @ dout @ self.y


class SolveMatrixLost(nl.Layer):  # A⁻¹ b: the gradient of A is forgotten
    def forward(self, a, b):
        self.a = a.copy()
        self.x = np.linalg.solve(a, b)
        return self.x.copy()

    def backward(self, dout):
        g = np.linalg.solve(self.a.T, dout)
        return np.zeros_like(self.a), g


class SolveNotTransposed(SolveMatrixLost):  # solves with A, not with its transpose
    def backward(self, dout):
        g = np.linalg.solve(self.a, dout)
        return -np.outer(g, self.x), g


class LogDetNotTransposed(nl.Layer):  # A⁻¹ in place of A⁻ᵀ
    def forward(self, a):
        self.a = a.copy()
        return np.linalg.slogdet(a)[1]

    def backward(self, dout):
        return np.asarray(dout)[..., None, None] * np.linalg.inv(self.a)


class GramOneSide(nl.Layer):  # x xᵀ: only one factor's path
    def forward(self, x):
        self.x = x.copy()
        return x @ x.T

    def backward(self, dout):
        return dout @ self.x


class GramDoubled(GramOneSide):  # 2 dout x: dout is taken for symmetric
    def backward(self, dout):
        return 2 * dout @ self.x


class LowRank(nl.Layer):  # x u vᵀ; the gradients of u and v exchanged
    def __init__(self, rng, n, r):
        self.u = nl.Parameter(rng.normal(size=(n, r)))
        self.v = nl.Parameter(rng.normal(size=(n, r)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.u.value @ self.v.value.T

    def backward(self, dout):
        dw = self.x.T @ dout
        du, dv = dw @ self.v.value, dw.T @ self.u.value
        self.u.grad += dv
        self.v.grad += du
        return dout @ self.v.value @ self.u.value.T


def r(rng, *s):
    return rng.normal(size=s)


def good(rng, *s):
    return rng.normal(size=s) + 3 * np.eye(s[-1])


BROKEN = {
    "MatMulNoTransposeA": (lambda rng: (MatMulNoTransposeA(), (r(rng, 5, 3), r(rng, 3, 3))), {"missing-transpose"}, "input 0"),
    "MatMulOrder": (lambda rng: (MatMulOrder(), (r(rng, 5, 3), r(rng, 3, 3))), {"missing-transpose"}, "input 1"),
    "MatMulNegativeB": (lambda rng: (MatMulNegativeB(), (r(rng, 5, 3), r(rng, 3, 2))), {"wrong-sign"}, "input 1"),
    "AffineWeightShape": (lambda rng: (AffineWeightShape(rng, 3), (r(rng, 5, 3),)), {"missing-transpose"}, "w"),
    "AffineStaleWeight": (lambda rng: (AffineStaleWeight(rng, 3), (r(rng, 5, 3),)), {"stale-cache"}, "input 0"),
    "BilinearSymmetric": (
        lambda rng: (BilinearSymmetric(rng, 3), (r(rng, 4, 3),)),
        {"wrong-formula", "missing-term", "missing-transpose", "double-counted"},
        "input 0",
    ),
    "BilinearOneSide": (lambda rng: (BilinearOneSide(rng, 3), (r(rng, 4, 3),)), {"missing-term"}, "input 0"),
    "InverseNoMinus": (lambda rng: (InverseNoMinus(), (good(rng, 2, 3, 3),)), {"wrong-sign"}, "input 0"),
    "InverseNoTranspose": (lambda rng: (InverseNoTranspose(), (good(rng, 2, 3, 3),)), {"missing-transpose"}, "input 0"),
    "SolveMatrixLost": (lambda rng: (SolveMatrixLost(), (good(rng, 3, 3), r(rng, 3))), {"zero-gradient", "missing-gradient"}, "input 0"),
    "SolveNotTransposed": (lambda rng: (SolveNotTransposed(), (good(rng, 3, 3), r(rng, 3))), {"missing-transpose"}, None),
    "LogDetNotTransposed": (lambda rng: (LogDetNotTransposed(), (good(rng, 4, 3, 3),)), {"missing-transpose"}, "input 0"),
    "GramOneSide": (lambda rng: (GramOneSide(), (r(rng, 4, 3),)), {"missing-term"}, "input 0"),
    "GramDoubled": (
        lambda rng: (GramDoubled(), (r(rng, 4, 3),)),
        {"missing-transpose", "wrong-formula", "missing-term", "double-counted"},
        "input 0",
    ),
    "LowRank": (lambda rng: (LowRank(rng, 4, 2), (r(rng, 5, 4),)), {"swapped"}, None),
}
