//! Indicators of compromise (section 5 of the catalogue): addresses of flows, sums of files, host names.
//!
//! The lists are shared by all workers and may be replaced while the sensor runs ([`IndicatorStore`]).

mod address;
mod file;
mod name;
mod store;
#[cfg(test)]
mod tests;

pub use address::{Heard, META as ADDRESS, address, has_address};
pub use file::META as FILE;
pub use file::detector as files;
pub use name::META as NAME;
pub(crate) use name::name;
pub use store::{IndicatorConfig, IndicatorStore, StoreCounters};

use backstop_signatures::indicators::Indicator;
use backstop_types::Fields;

use crate::veeam::evidence::plain;
use crate::{Confidence, Context, Finding, Meta};

/// What every finding on an indicator says.
fn finding(meta: &'static Meta, context: &Context<'_>, value: &str, told: &Indicator<'_>) -> Finding {
    let ages = context.config.indicators.ages;
    let mut fields = Fields::new().with("value", value.to_owned()).with("source", told.source.to_owned());
    if !told.note.is_empty() {
        fields.set("note", told.note.to_owned());
    }
    if told.below > 0 {
        fields.set("listed", told.listed(value).to_owned());
    }
    match told.date() {
        Some(date) => fields.set("date", date),
        None => fields.set("undated", true),
    };
    fields.set_some("age_days", told.age(context.now));
    fields.set_some("confidence", told.confidence.map(u64::from));
    let mut finding = plain(meta, context, Fields::new().with("indicator", fields));
    let severity = told.severity(context.now, ages);
    finding.severity = Some(severity);
    // Low, medium, high of STIX 2.1, appendix A: below 30, below 70.
    finding.confidence = match (severity, told.confidence) {
        (3.., _) | (_, Some(..30)) => Confidence::Low,
        (2, _) | (_, Some(..70)) => Confidence::Medium,
        _ => Confidence::High,
    };
    finding.excerpt = value.as_bytes().to_vec();
    finding.excerpt_of = value.len() as u64;
    finding
}
