"""Positive definite, symmetric, triangular, orthogonal, correlation and circulant matrices."""

import numpy as np

import netlib as nl


def T(a):
    return np.swapaxes(a, -1, -2)


class Cholesky(nl.Layer):
    """Lower Cholesky factor of positive definite matrices; symmetric gradient."""

    def forward(self, A):
        self.L = np.linalg.cholesky(A)
        return self.L

    def backward(self, dout):
        L = self.L
        P = np.tril(T(L) @ np.tril(dout))
        P[..., range(L.shape[-1]), range(L.shape[-1])] *= 0.5
        Li = np.linalg.inv(L)
        S = T(Li) @ P @ Li
        return (S + T(S)) / 2


class LogDetSPD(nl.Layer):
    """log det by Cholesky. The inverse of a symmetric matrix is symmetric, so it is not transposed."""

    def forward(self, A):
        L = np.linalg.cholesky(A)
        self.inv = np.linalg.inv(A)
        return 2 * np.log(np.diagonal(L, axis1=-2, axis2=-1)).sum(-1)

    def backward(self, dout):
        return dout[..., None, None] * self.inv


class InverseSymmetric(nl.Layer):
    """A⁻¹ for symmetric A: dA = -A⁻¹ dout A⁻¹ without transposes."""

    def forward(self, A):
        self.B = np.linalg.inv(A)
        return self.B

    def backward(self, dout):
        G = (dout + T(dout)) / 2
        return -self.B @ G @ self.B


class SolveSPD(nl.Layer):
    """x = A⁻¹ b with a covariance matrix A."""

    def forward(self, A, b):
        self.A = A
        L = np.linalg.cholesky(A)
        self.x = np.linalg.solve(T(L), np.linalg.solve(L, b))
        return self.x

    def backward(self, dout):
        db = np.linalg.solve(self.A, dout)
        return -db @ T(self.x), db


class QuadraticFormSymmetric(nl.Layer):
    """xᵀ A x with symmetric A: gradient 2 A x."""

    def forward(self, x, A):
        self.x, self.Ax = x, x @ A
        return (x * self.Ax).sum(-1)

    def backward(self, dout):
        d = dout[:, None]
        return 2 * d * self.Ax, self.x.T @ (d * self.x)


class EigenvaluesSymmetric(nl.Layer):
    """eigvalsh reads the lower triangle; the gradient is spread over both."""

    def forward(self, A):
        lam, self.Q = np.linalg.eigh(A)
        return lam

    def backward(self, dout):
        return (self.Q * dout[..., None, :]) @ T(self.Q)


class LargestEigenvalue(nl.Layer):
    def forward(self, A):
        if not np.allclose(A, T(A)):
            raise ValueError("matrix is not symmetric")
        lam, Q = np.linalg.eigh(A)
        self.v = Q[:, -1]
        return lam[-1]

    def backward(self, dout):
        return dout * np.outer(self.v, self.v)


class LogEuclidean(nl.Layer):
    """Matrix logarithm of positive definite matrices, with divided differences in backward."""

    def forward(self, A):
        lam, self.Q = np.linalg.eigh(A)
        f = np.log(lam)
        d = lam[:, None] - lam[None] + np.eye(len(lam))
        self.K = (f[:, None] - f[None]) / d + np.diag(1 / lam)
        return (self.Q * f) @ self.Q.T

    def backward(self, dout):
        Q = self.Q
        S = (dout + dout.T) / 2
        return Q @ (self.K * (Q.T @ S @ Q)) @ Q.T


class SquareRootSPD(nl.Layer):
    """Principal square root; backward solves the Sylvester equation in the eigenbasis."""

    def forward(self, A):
        lam, self.Q = np.linalg.eigh(A)
        self.s = np.sqrt(lam)
        return (self.Q * self.s[..., None, :]) @ T(self.Q)

    def backward(self, dout):
        Q, s = self.Q, self.s
        G = T(Q) @ ((dout + T(dout)) / 2) @ Q
        return Q @ (G / (s[..., :, None] + s[..., None, :])) @ T(Q)


class LogDetTriangular(nl.Layer):
    """Lower triangular factor with positive diagonal: log det of L Lᵀ."""

    def forward(self, L):
        self.d = np.diagonal(L, axis1=-2, axis2=-1)
        if np.any(self.d <= 0):
            raise ValueError("the diagonal must be positive")
        return 2 * np.log(self.d).sum(-1)

    def backward(self, dout):
        return (2 * dout[..., None] / self.d)[..., None] * np.eye(self.d.shape[-1])


class SolveTriangular(nl.Layer):
    """L⁻¹ b for lower triangular L; the gradient is lower triangular too."""

    def forward(self, L, b):
        self.L, self.x = L, np.linalg.solve(L, b)
        return self.x

    def backward(self, dout):
        db = np.linalg.solve(self.L.T, dout)
        return -np.tril(db @ self.x.T), db


class CovarianceToCorrelation(nl.Layer):
    def forward(self, S):
        self.S = S
        self.r = 1 / np.sqrt(np.diag(S))
        return S * np.outer(self.r, self.r)

    def backward(self, dout):
        r, S = self.r, self.S
        G = (dout + dout.T) / 2
        dr = 2 * (G * S) @ r
        return G * np.outer(r, r) + np.diag(-0.5 * dr * r**3)


class PartialCorrelation(nl.Layer):
    """Partial correlation of 0 and 1 given 2, out of a 3x3 correlation matrix (upper triangle)."""

    def forward(self, R):
        a, b, c = R[0, 1], R[0, 2], R[1, 2]
        self.c = a, b, c
        self.u, self.v = 1 - b * b, 1 - c * c
        self.y = (a - b * c) / np.sqrt(self.u * self.v)
        return self.y

    def backward(self, dout):
        _a, b, c = self.c
        s = np.sqrt(self.u * self.v)
        g = np.zeros((3, 3))
        g[0, 1] = dout / s
        g[0, 2] = dout * (-c / s + self.y * b / self.u)
        g[1, 2] = dout * (-b / s + self.y * c / self.v)
        return g


class LogDetCorrelation(nl.Layer):
    """Correlation matrices have a unit diagonal, so its gradient is left at zero."""

    def forward(self, R):
        self.inv = np.linalg.inv(R)
        return np.log(np.linalg.det(R))

    def backward(self, dout):
        return dout * (self.inv - np.diag(np.diag(self.inv)))


class CayleyTransform(nl.Layer):
    """(I - K)(I + K)⁻¹ for skew-symmetric K; uses Kᵀ = -K in backward."""

    def forward(self, K):
        n = len(K)
        self.M = np.linalg.inv(np.eye(n) + K)
        self.R = (np.eye(n) - K) @ self.M
        return self.R

    def backward(self, dout):
        n = len(self.M)
        Mt = (self.R + np.eye(n)).T / 2  # M = (R + I) / 2, and R is orthogonal
        return -(np.eye(n) + self.R).T @ dout @ Mt


class SkewFromUpper(nl.Layer):
    """Rotation rate matrix (skew-symmetric): Frobenius norm from the upper triangle."""

    def forward(self, K):
        self.U = np.triu(K, 1)
        self.n = np.sqrt(2 * (self.U**2).sum())
        return self.n

    def backward(self, dout):
        return 2 * dout * self.U / self.n


class GaussianKLFromIdentity(nl.Layer):
    """KL(N(m, S) || N(0, I)) for covariance S."""

    def forward(self, m, S):
        self.m, self.inv = m, np.linalg.inv(S)
        return 0.5 * (np.trace(S) + m @ m - len(m) - np.linalg.slogdet(S)[1])

    def backward(self, dout):
        return dout * self.m, dout * 0.5 * (np.eye(len(self.m)) - self.inv)


class Mahalanobis(nl.Layer):
    """Learned precision matrix, symmetric positive definite, starts as the identity."""

    def __init__(self, n):
        self.precision = nl.Parameter(np.eye(n))

    def forward(self, x, y):
        self.d = x - y
        self.Pd = self.d @ self.precision.value
        self.y = np.sqrt((self.d * self.Pd).sum(1))
        return self.y

    def backward(self, dout):
        k = (dout / self.y)[:, None]
        self.precision.grad += 0.5 * (k * self.d).T @ self.d
        g = k * self.Pd
        return g, -g


class WhitenWithCholesky(nl.Layer):
    """Learned lower triangular whitening matrix; only its lower triangle counts."""

    def __init__(self, n):
        self.factor = nl.Parameter(np.eye(n))

    def forward(self, x):
        self.x = x
        L = np.tril(self.factor.value)
        return x @ L.T

    def backward(self, dout):
        self.factor.grad += np.tril(dout.T @ self.x)
        return dout @ np.tril(self.factor.value)


class InverseDiagonal(nl.Layer):
    """Inverse of diagonal matrices: off the diagonal there is nothing to learn."""

    def forward(self, D):
        assert np.count_nonzero(D - np.diag(np.diagonal(D))) == 0
        self.d = np.diagonal(D).copy()
        return np.diag(1 / self.d)

    def backward(self, dout):
        return np.diag(-np.diagonal(dout) / self.d**2)


class HadamardOrthogonal(nl.Layer):
    """x Q⁻¹ for orthogonal Q: the inverse is the transpose, in backward as well."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, Q):
        self.Q = Q
        return x @ np.linalg.inv(Q)

    def backward(self, dout):
        return dout @ self.Q


class MarginalVariances(nl.Layer):
    """Diagonal of the inverse of a symmetric precision matrix."""

    def forward(self, P):
        self.C = np.linalg.inv(P)
        return np.diag(self.C).copy()

    def backward(self, dout):
        return -(self.C * dout) @ self.C


class VonNeumannEntropy(nl.Layer):
    """-tr ρ log ρ of a density matrix (symmetric, positive, trace one)."""

    def forward(self, rho):
        lam, Q = np.linalg.eigh(rho)
        lam = np.maximum(lam, 1e-12)
        self.G = -(Q * (np.log(lam) + 1)) @ Q.T
        return -(lam * np.log(lam)).sum()

    def backward(self, dout):
        return dout * self.G


def spd(rng, *shape):
    n = shape[-1]
    A = rng.normal(size=shape[:-1] + (n, n + 2))
    return A @ T(A) / n + 0.3 * np.eye(n)


def correlation(rng, n):
    S = spd(rng, n)
    r = 1 / np.sqrt(np.diag(S))
    return S * np.outer(r, r)


def lower(rng, n):
    return np.tril(rng.normal(size=(n, n)) * 0.5, -1) + np.diag(rng.uniform(0.6, 1.6, n))


def symmetric(rng, n):
    A = rng.normal(size=(n, n))
    return A + A.T


def skew(rng, n):
    A = rng.normal(size=(n, n))
    return A - A.T


def density(rng, n):
    A = spd(rng, n)
    return A / np.trace(A)


def orthogonal(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


LAYERS = {
    "Cholesky": lambda rng: (Cholesky(), (spd(rng, 3),)),
    "CholeskyBatch": lambda rng: (Cholesky(), (spd(rng, 2, 3),)),
    "LogDetSPD": lambda rng: (LogDetSPD(), (spd(rng, 2, 4),)),
    "InverseSymmetric": lambda rng: (InverseSymmetric(), (spd(rng, 3),)),
    "SolveSPD": lambda rng: (SolveSPD(), (spd(rng, 4), rng.normal(size=(4, 2)))),
    "QuadraticFormSymmetric": lambda rng: (QuadraticFormSymmetric(), (rng.normal(size=(5, 3)), symmetric(rng, 3))),
    "EigenvaluesSymmetric": lambda rng: (EigenvaluesSymmetric(), (symmetric(rng, 4),)),
    "LargestEigenvalue": lambda rng: (LargestEigenvalue(), (symmetric(rng, 4),)),
    "LogEuclidean": lambda rng: (LogEuclidean(), (spd(rng, 3),)),
    "SquareRootSPD": lambda rng: (SquareRootSPD(), (spd(rng, 2, 3),)),
    "LogDetTriangular": lambda rng: (LogDetTriangular(), (np.stack([lower(rng, 4), lower(rng, 4)]),)),
    "SolveTriangular": lambda rng: (SolveTriangular(), (lower(rng, 4), rng.normal(size=(4, 2)))),
    "CovarianceToCorrelation": lambda rng: (CovarianceToCorrelation(), (spd(rng, 3),)),
    "PartialCorrelation": lambda rng: (PartialCorrelation(), (correlation(rng, 3),)),
    "LogDetCorrelation": lambda rng: (LogDetCorrelation(), (correlation(rng, 4),)),
    "CayleyTransform": lambda rng: (CayleyTransform(), (skew(rng, 3),)),
    "SkewFromUpper": lambda rng: (SkewFromUpper(), (skew(rng, 4),)),
    "GaussianKLFromIdentity": lambda rng: (GaussianKLFromIdentity(), (rng.normal(size=3), spd(rng, 3))),
    "Mahalanobis": lambda rng: (Mahalanobis(3), (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))),
    "WhitenWithCholesky": lambda rng: (WhitenWithCholesky(3), (rng.normal(size=(5, 3)),)),
    "InverseDiagonal": lambda rng: (InverseDiagonal(), (np.diag(rng.uniform(0.5, 2, 4)),)),
    "HadamardOrthogonal": lambda rng: (HadamardOrthogonal(), (rng.normal(size=(3, 4)), orthogonal(rng, 4))),
    "MarginalVariances": lambda rng: (MarginalVariances(), (spd(rng, 3),)),
    "VonNeumannEntropy": lambda rng: (VonNeumannEntropy(), (density(rng, 3),)),
}
MOVES = dict.fromkeys(
    (
        "Cholesky", "CholeskyBatch", "LogDetSPD", "InverseSymmetric", "SolveSPD", "EigenvaluesSymmetric", "LargestEigenvalue",
        "LogEuclidean", "SquareRootSPD", "CovarianceToCorrelation", "MarginalVariances", "VonNeumannEntropy",
    ),
    ("sym",),
)  # fmt: skip
MOVES |= {
    "QuadraticFormSymmetric": ("free", "sym"),
    "LogDetTriangular": ("tril",),
    "SolveTriangular": ("tril", "free"),
    "PartialCorrelation": ("hollow",),
    "LogDetCorrelation": ("hollow",),
    "CayleyTransform": ("skew",),
    "SkewFromUpper": ("skew",),
    "GaussianKLFromIdentity": ("free", "sym"),
    "InverseDiagonal": ("diag",),
}
PARAMETER_MOVES = {"Mahalanobis": {"precision": "sym"}}
