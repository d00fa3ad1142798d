"""Estimators of scikit-learn made of netlib's networks (extra ``sklearn``)."""
