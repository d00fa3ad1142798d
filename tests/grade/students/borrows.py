import netlib as nl

MyAffine = nl.Affine


class MyReLU(nl.ReLU):
    pass
