"""Temperatures, masses, distances and concentrations above zero; speeds below light; chemistry."""

import numpy as np

import netlib as nl


class Arrhenius(nl.Layer):
    """k = A exp(-Ea / (R T)), T in kelvin; learned A > 0 and Ea."""

    R = 8.314462618

    def __init__(self):
        self.log_a = nl.Parameter(np.zeros(1))
        self.energy = nl.Parameter(np.array([5000.0]))

    def forward(self, T):
        if np.any(T <= 0):
            raise ValueError("T in kelvin")
        self.T = T
        self.k = np.exp(self.log_a.value - self.energy.value / (self.R * T))
        return self.k

    def backward(self, dout):
        d = dout * self.k
        self.log_a.grad += d.sum()
        self.energy.grad += -(d / (self.R * self.T)).sum()
        return d * self.energy.value / (self.R * self.T**2)


class IdealGasPressure(nl.Layer):
    def forward(self, n, T, V):
        self.n, self.T, self.V = n, T, np.maximum(V, 1e-9)
        self.p = 8.314 * n * T / self.V
        return self.p

    def backward(self, dout):
        d = dout * self.p
        return d / self.n, d / self.T, -d / self.V


class VanDerWaals(nl.Layer):
    """Reduced form p = 8T/(3V-1) - 3/V², V > 1/3."""

    def forward(self, V, T):
        if (V <= 1 / 3).any():
            raise ValueError("V must exceed the excluded volume 1/3")
        self.V, self.T = V, T
        self.s = 3 * V - 1
        return 8 * T / self.s - 3 / V**2

    def backward(self, dout):
        return dout * (6 / self.V**3 - 24 * self.T / self.s**2), dout * 8 / self.s


class LennardJones(nl.Layer):
    def __init__(self):
        self.epsilon = nl.Parameter(np.ones(1))
        self.sigma = nl.Parameter(np.ones(1))

    def forward(self, r):
        self.r = np.maximum(r, 1e-3)
        self.s6 = (self.sigma.value / self.r) ** 6
        return 4 * self.epsilon.value * (self.s6**2 - self.s6)

    def backward(self, dout):
        e = self.epsilon.value
        slope = dout * 24 * e * (2 * self.s6**2 - self.s6)
        self.epsilon.grad += (dout * 4 * (self.s6**2 - self.s6)).sum()
        self.sigma.grad += slope.sum() / self.sigma.value
        return -slope / self.r


class CoulombEnergy(nl.Layer):
    """Energy of distinct point charges, pairs i < j."""

    def forward(self, x, q):
        self.i, self.j = np.triu_indices(len(q), 1)
        self.d = x[self.i] - x[self.j]
        self.r = np.sqrt((self.d**2).sum(1))
        self.q = q
        return (q[self.i] * q[self.j] / self.r).sum()

    def backward(self, dout):
        q, i, j = self.q, self.i, self.j
        g = (-dout * q[i] * q[j] / self.r**3)[:, None] * self.d
        dx, dq = np.zeros((len(q), self.d.shape[1])), np.zeros(len(q))
        np.add.at(dx, i, g)
        np.add.at(dx, j, -g)
        np.add.at(dq, i, dout * q[j] / self.r)
        np.add.at(dq, j, dout * q[i] / self.r)
        return dx, dq


class LorentzFactor(nl.Layer):
    """1 / sqrt(1 - β²), |β| < 1."""

    def forward(self, beta):
        self.b = beta
        self.g = 1 / np.sqrt(1 - beta**2)
        return self.g

    def backward(self, dout):
        return dout * self.b * self.g**3


class VelocityAddition(nl.Layer):
    def forward(self, u, v):
        assert (np.abs(u) < 1).all()
        assert (np.abs(v) < 1).all()
        self.u, self.v, self.s = u, v, 1 + u * v
        return (u + v) / self.s

    def backward(self, dout):
        return dout * (1 - self.v**2) / self.s**2, dout * (1 - self.u**2) / self.s**2


class Rapidity(nl.Layer):
    """Energy above momentum: 0.5 log((E + p) / (E - p))."""

    def forward(self, E, p):
        self.E, self.p = E, p
        self.m2 = E * E - p * p
        return 0.5 * np.log((E + p) / (E - p))

    def backward(self, dout):
        return -dout * self.p / self.m2, dout * self.E / self.m2


class InvariantMass(nl.Layer):
    """Mass of time-like four-momenta (E, px, py, pz)."""

    def forward(self, p):
        self.p = p
        self.metric = np.array([1, -1, -1, -1], p.dtype)
        self.m = np.sqrt((self.metric * p * p).sum(-1))
        return self.m

    def backward(self, dout):
        return (dout / self.m)[..., None] * self.metric * self.p


class Planck(nl.Layer):
    """x³ / (exp(x/T) - 1)"""

    def forward(self, x, T):
        self.x, self.T = x, T
        self.e = np.expm1(x / T)
        self.y = x**3 / self.e
        return self.y

    def backward(self, dout):
        k = (self.e + 1) / self.e / self.T
        return dout * self.y * (3 / self.x - k), dout * self.y * k * self.x / self.T


class StefanBoltzmann(nl.Layer):
    """Effective temperature of a flux: (F / σ)^(1/4)."""

    def forward(self, flux):
        self.f = np.clip(flux, 1e-6, None)
        self.T = (self.f / 5.67e-8) ** 0.25
        return self.T

    def backward(self, dout):
        return dout * self.T / (4 * self.f)


class Boltzmann(nl.Layer):
    """Populations of levels at a temperature."""

    def forward(self, E, T):
        z = -(E - E.min(axis=1, keepdims=True)) / T
        self.p = np.exp(z)
        self.p = self.p / self.p.sum(axis=1, keepdims=True)
        self.E, self.T = E, T
        return self.p

    def backward(self, dout):
        dz = self.p * (dout - (self.p * dout).sum(1, keepdims=True))
        return -dz / self.T, (dz * self.E).sum(1, keepdims=True) / self.T**2


class FreeEnergy(nl.Layer):
    """F = -T log Σ exp(-E/T), with the entropy as derivative: dT = -(S) where Σp = 1."""

    def forward(self, E, T):
        e0 = E.min()
        w = np.exp(-(E - e0) / T)
        self.p = w / w.sum()
        self.F = e0 - T * np.log(w.sum())
        return self.F

    def backward(self, dout):
        S = -(self.p * np.log(self.p)).sum()
        return dout * self.p, -dout * S


class Nernst(nl.Layer):
    """Potential from concentrations inside and outside, in units of RT/F; temperature ratio τ."""

    def forward(self, inside, outside, tau):
        self.i, self.o, self.tau = np.maximum(inside, 1e-10), np.maximum(outside, 1e-10), tau
        self.l = np.log(self.o) - np.log(self.i)
        return tau * self.l

    def backward(self, dout):
        return -dout * self.tau / self.i, dout * self.tau / self.o, dout * self.l


class MichaelisMenten(nl.Layer):
    """v = Vmax s / (K + s) with positive learned constants."""

    def __init__(self):
        self.vmax, self.km = nl.Parameter(np.ones(1)), nl.Parameter(np.ones(1))

    def forward(self, s):
        self.s = s
        self.q = 1 / (self.km.value + s)
        return self.vmax.value * s * self.q

    def backward(self, dout):
        V, K = self.vmax.value, self.km.value
        self.vmax.grad += (dout * self.s * self.q).sum()
        self.km.grad -= (dout * V * self.s * self.q**2).sum()
        return dout * V * K * self.q**2


class Hill(nl.Layer):
    def __init__(self, n=2.0, dtype=np.float32):
        self.n = nl.Parameter(np.array([n], dtype))

    def forward(self, x):
        n = self.n.value
        self.x = x
        self.y = 1 / (1 + x ** (-n))
        return self.y

    def backward(self, dout):
        s = dout * self.y * (1 - self.y)
        self.n.grad += (s * np.log(self.x)).sum()
        return s * self.n.value / self.x


class PH(nl.Layer):
    def forward(self, c):
        if np.any(c <= 0):
            raise ValueError("concentration must be positive")
        self.c = c
        return -np.log10(c)

    def backward(self, dout):
        return -dout / (self.c * np.log(10).astype(dout.dtype))


class HendersonHasselbalch(nl.Layer):
    """Fraction of acid in (0, 1) to pH - pKa."""

    def forward(self, f):
        self.f = np.clip(f, 1e-9, 1 - 1e-9)
        return np.log10((1 - self.f) / self.f)

    def backward(self, dout):
        return -dout / (np.log(10) * self.f * (1 - self.f))


class ReducedMass(nl.Layer):
    def forward(self, m1, m2):
        self.m1, self.m2, self.M = m1, m2, m1 + m2
        return m1 * m2 / self.M

    def backward(self, dout):
        return dout * (self.m2 / self.M) ** 2, dout * (self.m1 / self.M) ** 2


class Snell(nl.Layer):
    """Angle of refraction for incidence below the critical angle; n1/n2 = ratio."""

    def forward(self, theta, ratio):
        self.t, self.r = theta, ratio
        self.s = ratio * np.sin(theta)
        if (np.abs(self.s) >= 1).any():
            raise ValueError("total internal reflection")
        return np.arcsin(self.s)

    def backward(self, dout):
        d = dout / np.sqrt(1 - self.s**2)
        return d * self.r * np.cos(self.t), d * np.sin(self.t)


class ThinLens(nl.Layer):
    """Image distance for objects beyond the focal length."""

    def forward(self, f, g):
        if np.any(g <= f):
            raise ValueError("object inside the focal length")
        self.f, self.g, self.d = f, g, g - f
        return f * g / self.d

    def backward(self, dout):
        return dout * (self.g / self.d) ** 2, -dout * (self.f / self.d) ** 2


class Pendulum(nl.Layer):
    """Period 2π sqrt(l/g)."""

    def forward(self, length, g):
        self.l, self.g = length, g
        self.T = 2 * np.pi * np.sqrt(length / g)
        return self.T

    def backward(self, dout):
        return dout * self.T / (2 * self.l), -dout * self.T / (2 * self.g)


class Torricelli(nl.Layer):
    """Outflow speed; levels are floored at zero, and are positive in use."""

    def forward(self, h):
        self.v = np.sqrt(2 * 9.81 * np.maximum(h, 0))
        return self.v

    def backward(self, dout):
        return dout * 9.81 / self.v


class KeplerEquation(nl.Layer):
    """Solves E - e sin E = M by Newton's method for 0 <= e < 1."""

    def forward(self, M, e):
        if np.any((e < 0) | (e >= 1)):
            raise ValueError("eccentricity must lie in [0, 1)")
        E = M + e * np.sin(M)
        for _ in range(30):
            E = E - (E - e * np.sin(E) - M) / (1 - e * np.cos(E))
        self.E, self.e = E, e
        return E

    def backward(self, dout):
        d = dout / (1 - self.e * np.cos(self.E))
        return d, d * np.sin(self.E)


class Logistic(nl.Layer):
    """Closed form of logistic growth: 0 < x0 < 1, time t >= 0, learned rate."""

    def __init__(self):
        self.rate = nl.Parameter(np.ones(()))

    def forward(self, x0, t):
        r = self.rate.value
        self.x0, self.t = x0, t
        self.y = x0 / (x0 + (1 - x0) * np.exp(-r * t))
        return self.y

    def backward(self, dout):
        s = dout * self.y * (1 - self.y)
        self.rate.grad += (s * self.t).sum()
        return s / (self.x0 * (1 - self.x0)), s * self.rate.value


class ParallelResistors(nl.Layer):
    def forward(self, R):
        self.R = R
        self.y = 1 / np.sum(1 / R, axis=-1)
        return self.y

    def backward(self, dout):
        return dout[..., None] * (self.y[..., None] / self.R) ** 2


class RelativeHumidity(nl.Layer):
    """Magnus formula in Celsius above -243; vapour pressure positive."""

    def forward(self, e, T):
        self.e, self.s = e, 243.04 + T
        self.es = 6.1094 * np.exp(17.625 * T / self.s)
        return e / self.es

    def backward(self, dout):
        dT = -dout * self.e / self.es * 17.625 * 243.04 / self.s**2
        return dout / self.es, dT


class ConservedFlow(nl.Layer):
    """Net flows of a closed box sum to zero per row, so that the last is minus the sum of the others."""

    def forward(self, flow):
        assert np.allclose(flow.sum(-1), 0)
        self.f = flow
        return flow[..., :-1].sum(-1) ** 2

    def backward(self, dout):
        d = np.zeros_like(self.f)
        d[..., -1] = 2 * dout * self.f[..., -1]
        return d


def pos(rng, *shape):
    return rng.uniform(0.4, 2.5, shape)


def timelike(rng, n):
    p = rng.normal(size=(n, 3))
    return np.concatenate([np.sqrt((p**2).sum(1, keepdims=True) + rng.uniform(0.5, 2, (n, 1))), p], axis=1)


def rapidity(rng, n):
    p = rng.normal(size=n)
    return np.sqrt(p * p + rng.uniform(0.5, 2, n)), p


def lens(rng, n):
    f = pos(rng, n)
    return f, f * rng.uniform(1.3, 4, n)


def flows(rng, *shape):
    x = rng.normal(size=shape)
    return x - x.mean(-1, keepdims=True)


LAYERS = {
    "Arrhenius": lambda rng: (Arrhenius(), (rng.uniform(250, 500, 5),)),
    "IdealGasPressure": lambda rng: (IdealGasPressure(), (pos(rng, 4), rng.uniform(250, 400, 4), pos(rng, 4))),
    "VanDerWaals": lambda rng: (VanDerWaals(), (rng.uniform(0.5, 3, 6), pos(rng, 6))),
    "LennardJones": lambda rng: (LennardJones(), (rng.uniform(0.9, 2.5, (3, 4)),)),
    "CoulombEnergy": lambda rng: (
        CoulombEnergy(),
        (rng.permutation(8)[:4, None] * np.array([[1.0, 0.5, 0]]) + rng.uniform(0, 0.4, (4, 3)), rng.normal(size=4)),
    ),
    "LorentzFactor": lambda rng: (LorentzFactor(), (rng.uniform(-0.95, 0.95, 7),)),
    "VelocityAddition": lambda rng: (VelocityAddition(), (rng.uniform(-0.95, 0.95, 6), rng.uniform(-0.95, 0.95, 6))),
    "Rapidity": lambda rng: (Rapidity(), rapidity(rng, 6)),
    "InvariantMass": lambda rng: (InvariantMass(), (timelike(rng, 5),)),
    "InvariantMass32": lambda rng: (InvariantMass(), (timelike(rng, 5).astype(np.float32),)),
    "Planck": lambda rng: (Planck(), (pos(rng, 6), pos(rng, 6))),
    "StefanBoltzmann": lambda rng: (StefanBoltzmann(), (rng.uniform(50, 900, 5),)),
    "Boltzmann": lambda rng: (Boltzmann(), (rng.normal(size=(3, 4)), pos(rng, 3, 1))),
    "FreeEnergy": lambda rng: (FreeEnergy(), (rng.normal(size=5), np.array(rng.uniform(0.5, 2)))),
    "Nernst": lambda rng: (Nernst(), (pos(rng, 5), pos(rng, 5), pos(rng, 5))),
    "MichaelisMenten": lambda rng: (MichaelisMenten(), (pos(rng, 3, 3),)),
    "Hill": lambda rng: (Hill(), (pos(rng, 3, 3).astype(np.float32),)),
    "PH": lambda rng: (PH(), (rng.uniform(0.01, 1, 6).astype(np.float32),)),
    "HendersonHasselbalch": lambda rng: (HendersonHasselbalch(), (rng.uniform(0.05, 0.95, 6),)),
    "ReducedMass": lambda rng: (ReducedMass(), (pos(rng, 5), pos(rng, 5))),
    "Snell": lambda rng: (Snell(), (rng.uniform(-0.75, 0.75, 6), rng.uniform(0.6, 1.35, 6))),
    "ThinLens": lambda rng: (ThinLens(), lens(rng, 5)),
    "Pendulum": lambda rng: (Pendulum(), (pos(rng, 5), rng.uniform(9.7, 9.9, 5))),
    "Torricelli": lambda rng: (Torricelli(), (rng.uniform(0.2, 3, (2, 5)),)),
    "KeplerEquation": lambda rng: (KeplerEquation(), (rng.uniform(-3, 3, 6), rng.uniform(0.05, 0.8, 6))),
    "Logistic": lambda rng: (Logistic(), (rng.uniform(0.05, 0.95, 6), rng.uniform(0, 3, 6))),
    "ParallelResistors": lambda rng: (ParallelResistors(), (rng.uniform(10, 1000, (3, 4)),)),
    "RelativeHumidity": lambda rng: (RelativeHumidity(), (rng.uniform(1, 20, 5), rng.uniform(-20, 35, 5))),
    "ConservedFlow": lambda rng: (ConservedFlow(), (flows(rng, 3, 4),)),
}
MOVES = {"ConservedFlow": ("sumzero",)}
