//! Content-rule matches to findings (section 6 of the catalogue).

use backstop_signatures::Match;
use backstop_types::{Direction, Fields};

use crate::{Confidence, Context, Finding, MetaRef, Outcome, Scanned};

/// The finding for a match.
#[must_use]
pub fn finding_for_match(context: &Context<'_>, found: &Match, scanned: &Scanned<'_>) -> Finding {
    let (direction, tx_id) = match *scanned {
        Scanned::Stream(direction) => (direction, None),
        Scanned::Content { direction, tx_id, .. } => (direction, tx_id),
    };
    let (attacker, victim) = match direction {
        Direction::ToServer => (context.client, context.server),
        Direction::ToClient => (context.server, context.client),
    };
    Finding {
        meta: MetaRef::Rule(std::sync::Arc::clone(&found.rule)),
        severity: None,
        outcome: Outcome::Unknown,
        suspected: false,
        confidence: Confidence::Medium,
        attacker,
        victim,
        direction,
        tx_id,
        context: Fields::new(),
        excerpt: Vec::new(),
        excerpt_of: 0,
        requires: Vec::new(),
        threshold: None,
        update: false,
    }
}
