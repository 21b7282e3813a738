"""Questions put to a release by the project itself: evaluation, drill, replay, and agreement with the source."""
