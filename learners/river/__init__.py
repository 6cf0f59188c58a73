"""Our policies as River's: contextual bandits that River's own checks, evaluators and pickles treat as theirs.

    columns      names of arms and features as rows and columns, which come as they are first met
    lin_ucb      `DiscountedLinUCB`: LinUCB that forgets by event time
    censored     `CensoredBandit`: chance of a fill times its worth, on the router's own lane model
    thompson     the chance that each arm's draw is the best one, by quadrature
    evaluate     River's `evaluate` with contexts, and with rewards that come late

Rule of this package: River gives the interface, the arrays are ours; what cannot be learned from is refused before it
is learned.
"""

from learners.river.censored import CensoredBandit
from learners.river.evaluate import evaluate
from learners.river.lin_ucb import DiscountedLinUCB

__all__ = ["CensoredBandit", "DiscountedLinUCB", "evaluate"]
