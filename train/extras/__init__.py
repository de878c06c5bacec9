"""The side networks: identity, detector and estimator, how they learn and how good they are."""
