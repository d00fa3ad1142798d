"""Boxes, unit vectors, quaternions, rotations, triangles, cameras."""

import numpy as np

import netlib as nl


class BoxArea(nl.Layer):
    """boxes (N, 4) as x1, y1, x2, y2 with x1 < x2 and y1 < y2."""

    def forward(self, boxes):
        x1, y1, x2, y2 = boxes.T
        if (x2 < x1).any() or (y2 < y1).any():
            raise ValueError("boxes must be x1, y1, x2, y2 with x1 <= x2, y1 <= y2")
        self.w, self.h = x2 - x1, y2 - y1
        return self.w * self.h

    def backward(self, dout):
        return np.stack([-dout * self.h, -dout * self.w, dout * self.h, dout * self.w], axis=1)


class LogBoxSize(nl.Layer):
    """Log of width and height, as detectors regress it."""

    def forward(self, boxes):
        self.size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
        return np.log(self.size)

    def backward(self, dout):
        d = dout / self.size
        return np.concatenate([-d, d], axis=1)


class IoU(nl.Layer):
    """Intersection over union of matched boxes (N, 4)."""

    def forward(self, a, b):
        lt, rb = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
        raw = rb - lt
        wh = np.maximum(raw, 0)
        sa, sb = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
        inter = wh[:, 0] * wh[:, 1]
        union = sa.prod(1) + sb.prod(1) - inter
        self.cache = a, b, raw, wh, sa, sb, inter, union
        return inter / union

    def backward(self, dout):
        a, b, raw, wh, sa, sb, inter, union = self.cache
        dinter = dout * (1 / union + inter / union**2)
        darea = -dout * inter / union**2
        dwh = dinter[:, None] * wh[:, ::-1] * (raw > 0)
        out = []
        for x, other, s in ((a, b, sa), (b, a, sb)):
            ds = darea[:, None] * s[:, ::-1]
            lo = -dwh * (x[:, :2] > other[:, :2]) - ds
            hi = dwh * (x[:, 2:] < other[:, 2:]) + ds
            out.append(np.concatenate([lo, hi], axis=1))
        return tuple(out)


class IntersectionWidth(nl.Layer):
    """Overlap of two intervals that do overlap (low <= high of both)."""

    def forward(self, a, b):
        self.first = a[..., 0] > b[..., 0]
        self.second = a[..., 1] < b[..., 1]
        return np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])

    def backward(self, dout):
        da = np.stack([-dout * self.first, dout * self.second], axis=-1)
        db = np.stack([-dout * ~self.first, dout * ~self.second], axis=-1)
        return da, db


class CosineOfUnitVectors(nl.Layer):
    """u and v have length one, so the cosine is the dot product."""

    def forward(self, u, v):
        assert np.allclose(np.linalg.norm(u, axis=-1), 1, atol=1e-4)
        self.u, self.v = u, v
        return np.sum(u * v, axis=-1)

    def backward(self, dout):
        return dout[..., None] * self.v, dout[..., None] * self.u


class AngleBetweenUnitVectors(nl.Layer):
    def forward(self, u, v):
        self.u, self.v = u, v
        self.c = np.clip(np.sum(u * v, axis=-1), -1, 1)
        return np.arccos(self.c)

    def backward(self, dout):
        d = (-dout / np.sqrt(1 - self.c**2))[..., None]
        return d * self.v, d * self.u


class ChordOfUnitVectors(nl.Layer):
    """|u - v|² computed as 2 - 2 u·v."""

    def forward(self, u, v):
        self.u, self.v = u, v
        return 2 - 2 * (u * v).sum(-1)

    def backward(self, dout):
        d = -2 * dout[..., None]
        return d * self.v, d * self.u


class ReflectAtPlane(nl.Layer):
    """Householder reflection x - 2 n (n·x) for unit normals n."""

    def forward(self, x, n):
        self.x, self.n = x, n
        self.nx = (n * x).sum(-1, keepdims=True)
        return x - 2 * n * self.nx

    def backward(self, dout):
        dn = (dout * self.n).sum(-1, keepdims=True)
        return dout - 2 * self.n * dn, -2 * (dout * self.nx + dn * self.x)


class QuaternionToMatrix(nl.Layer):
    """Unit quaternion (w, x, y, z) to a rotation matrix."""

    def forward(self, q):
        self.q = q
        w, x, y, z = np.moveaxis(q, -1, 0)
        rows = [
            1 - 2 * (y * y + z * z),
            2 * (x * y - w * z),
            2 * (x * z + w * y),
            2 * (x * y + w * z),
            1 - 2 * (x * x + z * z),
            2 * (y * z - w * x),
            2 * (x * z - w * y),
            2 * (y * z + w * x),
            1 - 2 * (x * x + y * y),
        ]
        return np.stack(rows, axis=-1).reshape(q.shape[:-1] + (3, 3))

    def backward(self, dout):
        w, x, y, z = np.moveaxis(self.q, -1, 0)
        g = np.moveaxis(dout.reshape(dout.shape[:-2] + (9,)), -1, 0)
        a, b, c, d, e, f, h, i, j = g
        dw = 2 * (-z * b + y * c + z * d - x * f - y * h + x * i)
        dx = 2 * (y * b + z * c + y * d - 2 * x * e - w * f + z * h + w * i - 2 * x * j)
        dy = 2 * (-2 * y * a + x * b + w * c + x * d + z * f - w * h + z * i - 2 * y * j)
        dz = 2 * (-2 * z * a - w * b + x * c + w * d - 2 * z * e + y * f + x * h + y * i)
        return np.stack([dw, dx, dy, dz], axis=-1)


class QuaternionConjugateRotate(nl.Layer):
    """v rotated by the unit quaternion q: v + 2 w (u × v) + 2 u × (u × v)."""

    def forward(self, q, v):
        self.w, self.u, self.v = q[:, :1], q[:, 1:], v
        self.t = 2 * np.cross(self.u, v)
        return v + self.w * self.t + np.cross(self.u, self.t)

    def backward(self, dout):
        w, u, v, t = self.w, self.u, self.v, self.t
        dw = (dout * t).sum(1, keepdims=True)
        dt = w * dout + np.cross(dout, u)
        du = np.cross(t, dout) + 2 * np.cross(v, dt)
        return np.concatenate([dw, du], axis=1), dout + 2 * np.cross(dt, u)


class QuaternionAngle(nl.Layer):
    """Rotation angle of a unit quaternion, with w > 0."""

    def forward(self, q):
        self.w = np.clip(q[..., 0], -1, 1)
        self.shape = q.shape
        return 2 * np.arccos(self.w)

    def backward(self, dout):
        dq = np.zeros(self.shape, dout.dtype)
        dq[..., 0] = -2 * dout / np.sqrt(1 - self.w**2)
        return dq


class InverseRotation(nl.Layer):
    """R⁻¹ v. Since R is a rotation, the inverse in backward is the transpose."""

    def forward(self, R, v):
        self.R = R
        self.y = np.linalg.solve(R, v[..., None])[..., 0]
        return self.y

    def backward(self, dout):
        dv = np.einsum("nij,nj->ni", self.R, dout)
        return -dv[:, :, None] * self.y[:, None, :], dv


class RotationAngle(nl.Layer):
    """Angle of a rotation matrix from its trace."""

    def forward(self, R):
        self.c = np.clip((np.trace(R, axis1=-2, axis2=-1) - 1) / 2, -1 + 1e-7, 1 - 1e-7)
        return np.arccos(self.c)

    def backward(self, dout):
        d = -dout / np.sqrt(1 - self.c**2) / 2
        return d[..., None, None] * np.eye(3)


class GeodesicDistance(nl.Layer):
    """Angle between two rotations."""

    def forward(self, A, B):
        self.A, self.B = A, B
        self.c = ((A * B).sum((-2, -1)) - 1) / 2
        return np.arccos(self.c)

    def backward(self, dout):
        d = (-dout / np.sqrt(1 - self.c**2) / 2)[..., None, None]
        return d * self.B, d * self.A


class EulerYaw(nl.Layer):
    def forward(self, R):
        self.a, self.b = R[..., 1, 0], R[..., 0, 0]
        self.R = R
        return np.arctan2(self.a, self.b)

    def backward(self, dout):
        dR = np.zeros_like(self.R)
        s = self.a**2 + self.b**2
        dR[..., 1, 0], dR[..., 0, 0] = dout * self.b / s, -dout * self.a / s
        return dR


class HeronArea(nl.Layer):
    """Area from three side lengths that satisfy the triangle inequality."""

    def forward(self, sides):
        a, b, c = sides.T
        s = (a + b + c) / 2
        assert np.all(s > sides.T), "not a triangle"
        self.sides, self.area = sides, np.sqrt(s * (s - a) * (s - b) * (s - c))
        return self.area

    def backward(self, dout):
        sq = self.sides**2
        total = sq.sum(1, keepdims=True)
        return dout[:, None] * self.sides * (total - 2 * sq) / (8 * self.area[:, None])


class LawOfCosines(nl.Layer):
    """Angle opposite to c in a triangle with sides a, b, c."""

    def forward(self, a, b, c):
        self.a, self.b, self.c = a, b, c
        self.cos = (a * a + b * b - c * c) / (2 * a * b)
        return np.arccos(self.cos)

    def backward(self, dout):
        a, b, c = self.a, self.b, self.c
        d = -dout / np.sqrt(1 - self.cos**2)
        return d * (1 / b - self.cos / a), d * (1 / a - self.cos / b), -d * c / (a * b)


class PolygonArea(nl.Layer):
    """Shoelace formula, corners in counterclockwise order, so no absolute value is needed."""

    def forward(self, p):
        self.x, self.y = p[:, 0], p[:, 1]
        area = 0.5 * (self.x * np.roll(self.y, -1) - np.roll(self.x, -1) * self.y).sum()
        if area <= 0:
            raise ValueError("corners must be counterclockwise")
        return area

    def backward(self, dout):
        dx = 0.5 * (np.roll(self.y, -1) - np.roll(self.y, 1))
        dy = 0.5 * (np.roll(self.x, 1) - np.roll(self.x, -1))
        return dout * np.stack([dx, dy], axis=1)


class PinholeProjection(nl.Layer):
    """Points in front of the camera (z > 0); learned focal length."""

    def __init__(self, focal=1.0):
        self.focal = nl.Parameter(np.array([focal]))

    def forward(self, p):
        self.p = p
        self.z = np.maximum(p[:, 2:], 1e-3)
        return self.focal.value * p[:, :2] / self.z

    def backward(self, dout):
        xy = self.p[:, :2]
        self.focal.grad += (dout * xy / self.z).sum()
        dxy = self.focal.value * dout / self.z
        dz = -(dxy * xy / self.z).sum(1, keepdims=True)
        return np.concatenate([dxy, dz], axis=1)


class InverseDepth(nl.Layer):
    def forward(self, depth):
        self.inv = 1 / np.clip(depth, 0.01, 1000)
        return self.inv

    def backward(self, dout):
        return -dout * self.inv**2


class Haversine(nl.Layer):
    """Great-circle distance; latitudes in (-π/2, π/2), longitudes in (-π, π)."""

    def forward(self, a, b):
        self.a, self.b = a, b
        dlat, dlon = b[:, 0] - a[:, 0], b[:, 1] - a[:, 1]
        self.h = np.sin(dlat / 2) ** 2 + np.cos(a[:, 0]) * np.cos(b[:, 0]) * np.sin(dlon / 2) ** 2
        return 2 * np.arcsin(np.sqrt(self.h))

    def backward(self, dout):
        a, b = self.a, self.b
        dlat, dlon = b[:, 0] - a[:, 0], b[:, 1] - a[:, 1]
        d = dout / np.sqrt(self.h * (1 - self.h))
        s2 = np.sin(dlon / 2) ** 2
        g = np.sin(dlat) / 2
        glon = np.cos(a[:, 0]) * np.cos(b[:, 0]) * np.sin(dlon) / 2
        da = np.stack([-g - np.sin(a[:, 0]) * np.cos(b[:, 0]) * s2, -glon], axis=1)
        db = np.stack([g - np.cos(a[:, 0]) * np.sin(b[:, 0]) * s2, glon], axis=1)
        return d[:, None] * da, d[:, None] * db


class SphericalToCartesian(nl.Layer):
    """radius > 0, polar angle in (0, π), azimuth in (-π, π)."""

    def forward(self, r, theta, phi):
        if (r < 0).any() or (theta < 0).any() or (theta > np.pi).any():
            raise ValueError("r >= 0 and 0 <= theta <= pi")
        self.cache = r, theta, phi
        st = np.sin(theta)
        return np.stack([r * st * np.cos(phi), r * st * np.sin(phi), r * np.cos(theta)], axis=-1)

    def backward(self, dout):
        r, t, p = self.cache
        x, y, z = np.moveaxis(dout, -1, 0)
        e = x * np.cos(p) + y * np.sin(p)
        dphi = r * np.sin(t) * (y * np.cos(p) - x * np.sin(p))
        return np.sin(t) * e + np.cos(t) * z, r * (np.cos(t) * e - np.sin(t) * z), dphi


class CartesianToPolar(nl.Layer):
    def forward(self, xy):
        self.xy = xy
        self.r = np.hypot(xy[..., 0], xy[..., 1])
        return np.stack([self.r, np.arctan2(xy[..., 1], xy[..., 0])], axis=-1)

    def backward(self, dout):
        x, y = self.xy[..., 0], self.xy[..., 1]
        dr, da = dout[..., 0] / self.r, dout[..., 1] / self.r**2
        return np.stack([dr * x - da * y, dr * y + da * x], axis=-1)


class AngleDifference(nl.Layer):
    """Difference of angles in (-π, π), wrapped into (-π, π]."""

    def forward(self, a, b):
        return (a - b + np.pi) % (2 * np.pi) - np.pi

    def backward(self, dout):
        return dout.copy(), -dout


class Distances(nl.Layer):
    """Distances between distinct points."""

    def forward(self, a, b):
        self.diff = a[:, None] - b[None]
        self.d = np.sqrt((self.diff**2).sum(-1))
        return self.d

    def backward(self, dout):
        g = (dout / self.d)[..., None] * self.diff
        return g.sum(1), -g.sum(0)


class PoincareDistance(nl.Layer):
    """Hyperbolic distance of points inside the unit ball."""

    def forward(self, u, v):
        self.u, self.v = u, v
        self.a, self.b = 1 - (u * u).sum(-1), 1 - (v * v).sum(-1)
        if (self.a <= 0).any() or (self.b <= 0).any():
            raise ValueError("points must lie inside the unit ball")
        self.s = ((u - v) ** 2).sum(-1)
        self.x = 1 + 2 * self.s / (self.a * self.b)
        return np.arccosh(self.x)

    def backward(self, dout):
        d = dout / np.sqrt(self.x**2 - 1)
        ds = (2 * d / (self.a * self.b))[:, None] * 2 * (self.u - self.v)
        k = 4 * d * self.s / (self.a * self.b)
        return ds + (k / self.a)[:, None] * self.u, -ds + (k / self.b)[:, None] * self.v


class CircleCrossing(nl.Layer):
    """Half chord of two circles that cut each other: |r - s| < d < r + s."""

    def forward(self, r, s, d):
        self.cache = r, s, d
        self.x = (d * d + r * r - s * s) / (2 * d)
        self.h = np.sqrt(r * r - self.x**2)
        return self.h

    def backward(self, dout):
        r, s, d = self.cache
        k = dout / self.h
        dx = -k * self.x
        return k * r + dx * r / d, -dx * s / d, dx * (1 - self.x / d)


class TetrahedronVolume(nl.Layer):
    """Corners in positive orientation."""

    def forward(self, p):
        self.e = p[:, 1:] - p[:, :1]
        det = np.linalg.det(self.e)
        assert np.all(det > 0)
        self.v = det / 6
        return np.log(self.v)

    def backward(self, dout):
        g = dout[:, None, None] * np.swapaxes(np.linalg.inv(self.e), 1, 2)
        return np.concatenate([-g.sum(1, keepdims=True), g], axis=1)


class HomogeneousTransform(nl.Layer):
    """4x4 transforms [R t; 0 1]: the inverse is [Rᵀ, -Rᵀt]. Points end in 1."""

    def forward(self, t, R, p):
        self.R, self.q = R, p[..., :3] - t
        y = self.q @ R
        return np.concatenate([y, p[..., 3:]], axis=-1)

    def backward(self, dout):
        d = dout[..., :3]
        dq = d @ self.R.T
        dp = np.concatenate([dq, dout[..., 3:]], axis=-1)
        return -dq.sum(0), self.q.T @ d, dp


class OrthonormalProjection(nl.Layer):
    """Projects x on the span of the orthonormal columns of Q, (QQᵀ)x, with a basis that is fixed."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, Q):
        if not np.allclose(Q.T @ Q, np.eye(Q.shape[1]), atol=1e-6):
            raise ValueError("columns of Q must be orthonormal")
        self.Q = Q
        coordinates = np.linalg.lstsq(Q, x.T, rcond=None)[0]
        return (Q @ coordinates).T

    def backward(self, dout):
        return dout @ self.Q @ self.Q.T


class NormOfRotated(nl.Layer):
    """|R x| for a rotation R: rotations keep lengths, so dx = x / |x| and there is none for R."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, R):
        self.x = x
        self.n = np.linalg.norm(x @ R.T, axis=-1)
        return self.n

    def backward(self, dout):
        return (dout / self.n)[..., None] * self.x


def boxes(rng, n, spread=1.0):
    corner = rng.uniform(0, spread, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(0.6, 2, (n, 2))], axis=1)


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def rotations(rng, n):
    Q, R = np.linalg.qr(rng.normal(size=(n, 3, 3)))
    Q = Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]
    Q[:, :, 0] *= np.linalg.det(Q)[:, None]
    return Q


def triangles(rng, n):
    a = np.arange(3) * 2 * np.pi / 3 + rng.uniform(-0.4, 0.4, (n, 3))
    p = rng.uniform(0.7, 1.4, (n, 3, 1)) * np.stack([np.cos(a), np.sin(a)], axis=-1)
    return np.linalg.norm(p - np.roll(p, 1, axis=1), axis=-1)


def sides(rng, n):
    a, b, c = rng.uniform(1, 1.6, (3, n))
    return a, b, c


def polygon(rng, n):
    a = (np.arange(n) + rng.uniform(0.1, 0.9, n)) * 2 * np.pi / n
    return rng.uniform(0.7, 1.3, (n, 1)) * np.stack([np.cos(a), np.sin(a)], axis=1)


def positive_quaternion(rng, n):
    q = unit(rng, n, 4)
    return q * np.sign(q[:, :1])


def tetrahedra(rng, n):
    p = rng.normal(size=(n, 4, 3))
    flip = np.linalg.det(p[:, 1:] - p[:, :1]) < 0
    p[flip] = p[flip][:, [0, 2, 1, 3]]
    return p


def homogeneous(rng, n):
    return np.concatenate([rng.normal(size=(n, 3)), np.ones((n, 1))], axis=1)


LAYERS = {
    "BoxArea": lambda rng: (BoxArea(), (boxes(rng, 5),)),
    "LogBoxSize": lambda rng: (LogBoxSize(), (boxes(rng, 4).astype(np.float32),)),
    "IoU": lambda rng: (IoU(), (boxes(rng, 6), boxes(rng, 6))),
    "IoUPartlyApart": lambda rng: (IoU(), (boxes(rng, 8, 3.0), boxes(rng, 8, 3.0))),
    "IntersectionWidth": lambda rng: (IntersectionWidth(), (boxes(rng, 5)[:, [0, 2]], boxes(rng, 5)[:, [0, 2]])),
    "CosineOfUnitVectors": lambda rng: (CosineOfUnitVectors(), (unit(rng, 4, 3), unit(rng, 4, 3))),
    "AngleBetweenUnitVectors": lambda rng: (AngleBetweenUnitVectors(), (unit(rng, 4, 3), unit(rng, 4, 3))),
    "ChordOfUnitVectors": lambda rng: (ChordOfUnitVectors(), (unit(rng, 2, 3, 5), unit(rng, 2, 3, 5))),
    "ReflectAtPlane": lambda rng: (ReflectAtPlane(), (rng.normal(size=(4, 3)), unit(rng, 4, 3))),
    "QuaternionToMatrix": lambda rng: (QuaternionToMatrix(), (unit(rng, 3, 4),)),
    "QuaternionConjugateRotate": lambda rng: (QuaternionConjugateRotate(), (unit(rng, 3, 4), rng.normal(size=(3, 3)))),
    "QuaternionAngle": lambda rng: (QuaternionAngle(), (positive_quaternion(rng, 5),)),
    "InverseRotation": lambda rng: (InverseRotation(), (rotations(rng, 3), rng.normal(size=(3, 3)))),
    "RotationAngle": lambda rng: (RotationAngle(), (rotations(rng, 3),)),
    "GeodesicDistance": lambda rng: (GeodesicDistance(), (rotations(rng, 3), rotations(rng, 3))),
    "EulerYaw": lambda rng: (EulerYaw(), (rotations(rng, 4),)),
    "HeronArea": lambda rng: (HeronArea(), (rng.uniform(1, 1.6, (4, 3)),)),
    "HeronAreaOfPoints": lambda rng: (HeronArea(), (triangles(rng, 3),)),
    "LawOfCosines": lambda rng: (LawOfCosines(), sides(rng, 4)),
    "PolygonArea": lambda rng: (PolygonArea(), (polygon(rng, 6),)),
    "PinholeProjection": lambda rng: (
        PinholeProjection(),
        (np.concatenate([rng.normal(size=(5, 2)), rng.uniform(0.5, 3, (5, 1))], axis=1),),
    ),
    "InverseDepth": lambda rng: (InverseDepth(), (rng.uniform(0.3, 5, (1, 1, 4, 4)),)),
    "Haversine": lambda rng: (Haversine(), (rng.uniform(-1.4, 1.4, (4, 2)), rng.uniform(-1.4, 1.4, (4, 2)))),
    "SphericalToCartesian": lambda rng: (
        SphericalToCartesian(),
        (rng.uniform(0.5, 2, 5), rng.uniform(0.1, 3.0, 5), rng.uniform(-3.1, 3.1, 5)),
    ),
    "CartesianToPolar": lambda rng: (CartesianToPolar(), (rng.normal(size=(3, 4, 2)),)),
    "AngleDifference": lambda rng: (AngleDifference(), (rng.uniform(-np.pi, np.pi, 6), rng.uniform(-np.pi, np.pi, 6))),
    "Distances": lambda rng: (Distances(), (rng.normal(size=(3, 2)), rng.normal(size=(4, 2)))),
    "PoincareDistance": lambda rng: (
        PoincareDistance(),
        (unit(rng, 4, 3) * rng.uniform(0.1, 0.9, (4, 1)), unit(rng, 4, 3) * rng.uniform(0.1, 0.9, (4, 1))),
    ),
    "CircleCrossing": lambda rng: (CircleCrossing(), (rng.uniform(1, 1.4, 5), rng.uniform(1, 1.4, 5), rng.uniform(0.6, 1.8, 5))),
    "TetrahedronVolume": lambda rng: (TetrahedronVolume(), (tetrahedra(rng, 3),)),
    "HomogeneousTransform": lambda rng: (HomogeneousTransform(), (rng.normal(size=3), rotations(rng, 1)[0], homogeneous(rng, 4))),
    "OrthonormalProjection": lambda rng: (OrthonormalProjection(), (rng.normal(size=(4, 5)), np.linalg.qr(rng.normal(size=(5, 2)))[0])),
    "NormOfRotated": lambda rng: (NormOfRotated(), (rng.normal(size=(4, 3)), rotations(rng, 1)[0])),
}
U, R = "unit", "rotation"
MOVES = {
    "CosineOfUnitVectors": (U, U),
    "AngleBetweenUnitVectors": (U, U),
    "ChordOfUnitVectors": (U, U),
    "ReflectAtPlane": ("free", U),
    "QuaternionToMatrix": (U,),
    "QuaternionConjugateRotate": (U, "free"),
    "QuaternionAngle": (U,),
    "InverseRotation": (R, "free"),
    "RotationAngle": (R,),
    "GeodesicDistance": (R, R),
    "EulerYaw": (R,),
    "HomogeneousTransform": ("free", R, "homogeneous"),
}
