"""Access to the compiled core's parts for tests and benchmarks."""
from fastnn._core.team_policy cimport (
    FASTNN_ALONE, FASTNN_SAMPLE, FASTNN_TEAM, fastnn_decide, fastnn_record, fastnn_team_policy)

__all__ = ["TeamPolicy"]

TEAM_STATES = {FASTNN_TEAM: "team", FASTNN_SAMPLE: "sample", FASTNN_ALONE: "alone"}


cdef class TeamPolicy:
    """csrc/team_policy.h with the caller's clock."""

    cdef fastnn_team_policy policy

    def decide(self, double now):
        """Return whether the team should do the next call."""
        return fastnn_decide(&self.policy, now)

    def record(self, double now, double rows):
        """End the call: it processed `rows` rows until `now`."""
        fastnn_record(&self.policy, now, rows)

    @property
    def state(self):
        """team, sample or alone."""
        return TEAM_STATES[self.policy.state]

    @property
    def wait(self):
        """Seconds that the next spell alone lasts."""
        return self.policy.wait

    @property
    def credit(self):
        """Seconds per row that the team has saved."""
        return self.policy.credit
