//! The detections, through real parsers where that matters.
