"""Graph layers: symmetric adjacency, edges as indices, masks of neighbours, Laplacians, stochastic matrices."""

import numpy as np

import netlib as nl


class SymmetricGCN(nl.Layer):
    """D^-1/2 A D^-1/2 X W. A is symmetric, so backward multiplies with the same matrix."""

    n_nondifferentiable_inputs = 1

    def __init__(self, f_in, f_out, rng):
        self.weight = nl.Parameter(rng.normal(size=(f_in, f_out)))

    def forward(self, X, A):
        d = A.sum(axis=1)
        self.S = A / np.sqrt(d[:, None] * d[None, :])
        self.H = self.S @ X
        return self.H @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.H.T @ dout
        return self.S @ (dout @ self.weight.value.T)


class PropagateSymmetric(nl.Layer):
    """A X for a symmetric A; dX = A dout. The gradient of A is symmetrised."""

    def forward(self, A, X):
        if not np.allclose(A, A.T):
            raise ValueError("the adjacency matrix must be symmetric")
        self.A, self.X = A, X
        return A @ X

    def backward(self, dout):
        G = dout @ self.X.T
        return (G + G.T) / 2, self.A @ dout


class SymmetricNormalisation(nl.Layer):
    """Adjacency (symmetric by contract) to D^-1/2 A D^-1/2, with degrees from the rows."""

    def forward(self, A):
        self.A = A
        self.r = 1 / np.sqrt(A.sum(1))
        return self.r[:, None] * A * self.r[None, :]

    def backward(self, dout):
        r, A = self.r, self.A
        G = (dout + dout.T) / 2  # the output is symmetric as well
        dr = 2 * (G * A) @ r
        dd = -0.5 * dr * r**3
        return r[:, None] * G * r[None, :] + (dd[:, None] + dd[None, :]) / 2


class DegreeFromUpperTriangle(nl.Layer):
    """Degrees of an undirected weighted graph. A is symmetric; only its upper triangle is read."""

    def forward(self, A):
        U = np.triu(A, 1)
        self.n = len(A)
        return U.sum(0) + U.sum(1)

    def backward(self, dout):
        return np.triu(dout[:, None] + dout[None, :], 1)


class CutFromUpperTriangle(nl.Layer):
    """Σ_{i<j} a_ij (x_i - x_j)² for a symmetric A; gradient for A spread over both halves."""

    def forward(self, A, x):
        self.A, self.diff = A, x[:, None] - x[None, :]
        i, j = np.triu_indices(len(x), 1)
        return np.sum(A[i, j] * self.diff[i, j] ** 2)

    def backward(self, dout):
        dA = dout * 0.5 * self.diff**2
        dx = dout * 2 * (self.A * self.diff).sum(1)
        return dA, dx


class LaplacianEnergy(nl.Layer):
    """xᵀ L x per column; L symmetric, so the gradient is 2 L x."""

    n_nondifferentiable_inputs = 1

    def forward(self, X, L):
        self.LX = L @ X
        return (X * self.LX).sum(0)

    def backward(self, dout):
        return 2 * self.LX * dout


class LaplacianConstantMode(nl.Layer):
    """(L + 11ᵀ/n)⁻¹ b for a graph Laplacian, whose rows sum to zero; symmetric inverse in backward."""

    def forward(self, L, b):
        n = len(L)
        self.M = np.linalg.inv(L + np.ones((n, n)) / n)
        self.y = self.M @ b
        return self.y

    def backward(self, dout):
        db = self.M @ dout
        return -np.outer(db, self.y), db


class HeatKernel(nl.Layer):
    """exp(-t L) x by the eigendecomposition of a symmetric L; learned time t > 0."""

    n_nondifferentiable_inputs = 1

    def __init__(self, t=0.5):
        self.t = nl.Parameter(np.array(t))

    def forward(self, x, L):
        if self.t.value <= 0:
            raise ValueError("time must be positive")
        lam, Q = np.linalg.eigh(L)
        self.K = (Q * np.exp(-self.t.value * lam)) @ Q.T
        self.L, self.y = L, self.K @ x
        return self.y

    def backward(self, dout):
        self.t.grad += -np.sum(dout * (self.L @ self.y))
        return self.K @ dout


class PageRank(nl.Layer):
    """Solves r = (1-α) v + α Pᵀ r for a row-stochastic P and a distribution v."""

    def __init__(self, alpha=0.85):
        self.alpha = alpha

    def forward(self, P, v):
        n = len(v)
        self.B = np.linalg.inv(np.eye(n) - self.alpha * P.T)
        self.r = (1 - self.alpha) * self.B @ v
        return self.r

    def backward(self, dout):
        g = self.B.T @ dout
        return self.alpha * np.outer(self.r, g), (1 - self.alpha) * g


class TwoStepTransition(nl.Layer):
    """Row-stochastic P: log of P², entries positive."""

    def forward(self, P):
        self.P, self.Q = P, np.maximum(P @ P, 1e-9)
        return np.log(self.Q)

    def backward(self, dout):
        g = dout / self.Q
        return g @ self.P.T + self.P.T @ g


class ScatterEdges(nl.Layer):
    """Sum of edge messages at their target node; targets are integers."""

    n_nondifferentiable_inputs = 1

    def __init__(self, nodes):
        self.nodes = nodes

    def forward(self, messages, target):
        self.target = target
        y = np.zeros((self.nodes,) + messages.shape[1:], messages.dtype)
        np.add.at(y, target, messages)
        return y

    def backward(self, dout):
        return dout[self.target]


class MeanOfNeighbours(nl.Layer):
    """Edge list (2, E) stored as floats, as it came out of a csv file. Every node has a neighbour."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, edges):
        self.i, self.j = edges.astype(np.int64)
        self.degree = np.bincount(self.i, minlength=len(x)).astype(x.dtype)
        y = np.zeros_like(x)
        np.add.at(y, self.i, x[self.j])
        return y / self.degree[:, None]

    def backward(self, dout):
        dx = np.zeros_like(dout)
        np.add.at(dx, self.j, (dout / self.degree[:, None])[self.i])
        return dx


class EdgeDifference(nl.Layer):
    """Differences along edges; returns zeros for the edge list."""

    def forward(self, x, edges):
        self.e, self.i, self.j, self.n = edges, edges[:, 0].astype(int), edges[:, 1].astype(int), len(x)
        return x[self.j] - x[self.i]

    def backward(self, dout):
        dx = np.zeros((self.n,) + dout.shape[1:], dout.dtype)
        np.add.at(dx, self.j, dout)
        np.subtract.at(dx, self.i, dout)
        return dx, np.zeros_like(self.e)


class NeighbourSoftmax(nl.Layer):
    """Softmax of scores over neighbours, where the 0/1 adjacency (with self loops) is one."""

    n_nondifferentiable_inputs = 1

    def forward(self, scores, A):
        z = np.where(A > 0, scores, -np.inf)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dout):
        return self.p * (dout - (self.p * dout).sum(axis=1, keepdims=True))


class AttentionMaskMultiplied(nl.Layer):
    """The same with a float mask that multiplies the exponentials, and its true gradient."""

    def forward(self, scores, mask):
        self.e = np.exp(scores)
        self.mask = mask
        self.s = (self.e * mask).sum(-1, keepdims=True)
        self.p = self.e * mask / self.s
        return self.p

    def backward(self, dout):
        g = dout - (dout * self.p).sum(-1, keepdims=True)
        return g * self.p, g * self.e / self.s


class SegmentMean(nl.Layer):
    """Means of consecutive rows; lengths are positive integers that sum to len(x)."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, lengths):
        lengths = lengths.astype(int)
        if lengths.sum() != len(x):
            raise ValueError("lengths must sum to the number of rows")
        self.lengths = lengths
        start = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return np.add.reduceat(x, start, axis=0) / lengths[:, None].astype(x.dtype)

    def backward(self, dout):
        return np.repeat(dout / self.lengths[:, None].astype(dout.dtype), self.lengths, axis=0)


class Modularity(nl.Layer):
    """trace(Sᵀ B S) of a symmetric modularity matrix B."""

    n_nondifferentiable_inputs = 1

    def forward(self, S, A):
        k = A.sum(1)
        self.m2 = A.sum()
        self.B = A - np.outer(k, k) / self.m2
        self.S = S
        return np.trace(S.T @ self.B @ S) / self.m2

    def backward(self, dout):
        return dout * 2 * (self.B @ self.S) / self.m2


class AlgebraicConnectivity(nl.Layer):
    """Second eigenvalue of the Laplacian of a weighted symmetric adjacency matrix."""

    def forward(self, A):
        L = np.diag(A.sum(1)) - A
        lam, Q = np.linalg.eigh(L)
        self.v = Q[:, 1]
        return lam[1]

    def backward(self, dout):
        v = self.v
        return dout * 0.5 * (v[:, None] - v[None, :]) ** 2


class ShortestDistanceStress(nl.Layer):
    """MDS stress for a symmetric matrix of target distances with zero diagonal."""

    n_nondifferentiable_inputs = 1

    def forward(self, X, D):
        self.i, self.j = np.triu_indices(len(X), 1)
        self.diff = X[self.i] - X[self.j]
        self.d = np.linalg.norm(self.diff, axis=1)
        self.r = self.d - D[self.i, self.j]
        self.n = len(X)
        return (self.r**2).sum()

    def backward(self, dout):
        g = dout * 2 * (self.r / self.d)[:, None] * self.diff
        dX = np.zeros((self.n, g.shape[1]), g.dtype)
        np.add.at(dX, self.i, g)
        np.add.at(dX, self.j, -g)
        return dX


class PermuteNodes(nl.Layer):
    """Reorders nodes by a permutation; backward uses the inverse permutation."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, permutation):
        self.p = permutation.astype(int)
        return x[self.p]

    def backward(self, dout):
        return dout[np.argsort(self.p)]


class PermutationMatrix(nl.Layer):
    """P x for a permutation matrix: the transpose undoes it. P has no gradient."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, P):
        assert ((P == 0) | (P == 1)).all()
        self.P = P
        return np.linalg.solve(P.T, x)

    def backward(self, dout):
        return self.P.T @ dout


class KirchhoffLogTrees(nl.Layer):
    """Log of the weighted number of spanning trees; upper triangle of positive symmetric weights."""

    def forward(self, A):
        U = np.triu(A, 1)
        W = U + U.T
        L = np.diag(W.sum(1)) - W
        self.M = np.zeros_like(A)
        self.M[1:, 1:] = np.linalg.inv(L[1:, 1:])
        return np.linalg.slogdet(L[1:, 1:])[1]

    def backward(self, dout):
        d = np.diag(self.M)
        return dout * np.triu(d[:, None] + d[None, :] - 2 * self.M, 1)


def adjacency(rng, n, diagonal=0.0):
    U = np.triu(rng.uniform(0.2, 1, (n, n)), 1)
    return U + U.T + diagonal * np.eye(n)


def sparse_adjacency(rng, n):
    U = np.triu(rng.integers(0, 2, (n, n)), 1).astype(float)
    return U + U.T + np.eye(n)


def laplacian(rng, n):
    A = adjacency(rng, n)
    return np.diag(A.sum(1)) - A


def edge_list(rng, n, extra=4):
    i = np.concatenate([np.arange(n), rng.integers(n, size=extra)])
    return np.stack([i, (i + rng.integers(1, n, len(i))) % n])


def distance_matrix(rng, n):
    x = rng.normal(size=(n, 2))
    return np.linalg.norm(x[:, None] - x, axis=-1)


LAYERS = {
    "SymmetricGCN": lambda rng: (SymmetricGCN(3, 2, rng), (rng.normal(size=(5, 3)), sparse_adjacency(rng, 5))),
    "PropagateSymmetric": lambda rng: (PropagateSymmetric(), (adjacency(rng, 4), rng.normal(size=(4, 3)))),
    "PropagateSymmetric01": lambda rng: (PropagateSymmetric(), (sparse_adjacency(rng, 5), rng.normal(size=(5, 2)))),
    "SymmetricNormalisation": lambda rng: (SymmetricNormalisation(), (adjacency(rng, 4, 1.0),)),
    "DegreeFromUpperTriangle": lambda rng: (DegreeFromUpperTriangle(), (adjacency(rng, 5),)),
    "CutFromUpperTriangle": lambda rng: (CutFromUpperTriangle(), (adjacency(rng, 4), rng.normal(size=4))),
    "LaplacianEnergy": lambda rng: (LaplacianEnergy(), (rng.normal(size=(5, 2)), laplacian(rng, 5))),
    "LaplacianConstantMode": lambda rng: (LaplacianConstantMode(), (laplacian(rng, 4), rng.normal(size=4))),
    "HeatKernel": lambda rng: (HeatKernel(), (rng.normal(size=(5, 2)), laplacian(rng, 5))),
    "PageRank": lambda rng: (PageRank(), (rng.dirichlet(np.ones(4), 4), rng.dirichlet(np.ones(4)))),
    "TwoStepTransition": lambda rng: (TwoStepTransition(), (rng.dirichlet(np.full(4, 3.0), 4),)),
    "ScatterEdges": lambda rng: (ScatterEdges(5), (rng.normal(size=(8, 3)), rng.integers(5, size=8))),
    "MeanOfNeighbours": lambda rng: (MeanOfNeighbours(), (rng.normal(size=(5, 3)), edge_list(rng, 5).astype(float))),
    "EdgeDifference": lambda rng: (EdgeDifference(), (rng.normal(size=(5, 2)), edge_list(rng, 5).T.astype(float))),
    "NeighbourSoftmax": lambda rng: (NeighbourSoftmax(), (rng.normal(size=(5, 5)), sparse_adjacency(rng, 5))),
    "AttentionMaskMultiplied": lambda rng: (AttentionMaskMultiplied(), (rng.normal(size=(4, 4)), sparse_adjacency(rng, 4))),
    "SegmentMean": lambda rng: (SegmentMean(), (rng.normal(size=(9, 2)), np.array([2, 3, 1, 3])[rng.permutation(4)])),
    "SegmentMeanFloat": lambda rng: (
        SegmentMean(),
        (rng.normal(size=(9, 2)).astype(np.float32), np.array([2, 3, 1, 3], np.float32)[rng.permutation(4)]),
    ),
    "Modularity": lambda rng: (Modularity(), (rng.dirichlet(np.ones(3), 5), adjacency(rng, 5))),
    "AlgebraicConnectivity": lambda rng: (AlgebraicConnectivity(), (adjacency(rng, 5),)),
    "ShortestDistanceStress": lambda rng: (ShortestDistanceStress(), (rng.normal(size=(5, 2)), distance_matrix(rng, 5))),
    "PermuteNodes": lambda rng: (PermuteNodes(), (rng.normal(size=(6, 2)), rng.permutation(6))),
    "PermuteNodesFloat": lambda rng: (PermuteNodes(), (rng.normal(size=(6,)), rng.permutation(6).astype(float))),
    "PermutationMatrix": lambda rng: (PermutationMatrix(), (rng.normal(size=(4, 2)), np.eye(4)[rng.permutation(4)])),
    "KirchhoffLogTrees": lambda rng: (KirchhoffLogTrees(), (adjacency(rng, 4),)),
}
MOVES = {
    "PropagateSymmetric": ("sym", "free"),
    "PropagateSymmetric01": ("sym", "free"),
    "SymmetricNormalisation": ("sym",),
    "DegreeFromUpperTriangle": ("hollow",),
    "CutFromUpperTriangle": ("hollow", "free"),
    "LaplacianConstantMode": ("laplacian", "free"),
    "PageRank": ("simplex", "simplex"),
    "TwoStepTransition": ("simplex",),
    "EdgeDifference": ("free", "fixed"),
    "AttentionMaskMultiplied": ("free", "nz"),
    "AlgebraicConnectivity": ("hollow",),
    "KirchhoffLogTrees": ("hollow",),
}
