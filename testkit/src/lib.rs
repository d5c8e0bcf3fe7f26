//! Builders of frames, flows and streams for tests; never a normal dependency
