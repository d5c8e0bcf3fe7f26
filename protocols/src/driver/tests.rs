use super::*;
use crate::testing::{Event, Recorder, fixture};

/// What the driver says at the end, and every name it passed on.
fn names(fixture_name: &str) -> (Option<AppProto>, Vec<AppProto>) {
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    for (direction, bytes) in fixture(fixture_name).unwrap() {
        driver.data(direction, &bytes, &mut recorder);
    }
    let told = recorder.events.iter().filter_map(|event| if let Event::Confirmed(name) = event { Some(*name) } else { None });
    (driver.app_proto(), told.collect())
}

#[test]
fn a_layer_around_a_known_one_does_not_rename_the_flow() {
    let (last, told) = names("nmf_tls12_0");
    assert_eq!(last, Some(AppProto::Nmf));
    assert!(!told.is_empty() && told.iter().all(|name| *name == AppProto::Nmf), "{told:?}");
    assert_eq!(names("tls13_kyber"), (Some(AppProto::Tls), vec![AppProto::Tls]));
}

/// A server's answer to the upgrade and its first record may be delivered together: both belong where they would alone.
#[test]
fn bytes_behind_the_second_wrap_go_to_the_wrapping_layer() {
    let mut joined = fixture("nmf_tls12_0").unwrap();
    let answer = joined.iter().position(|(direction, _)| *direction == Direction::ToClient).unwrap();
    let (_, answer) = joined.remove(answer);
    let flight = joined.iter_mut().find(|(direction, _)| *direction == Direction::ToClient).unwrap();
    flight.1.splice(..0, answer);
    let recorder = crate::testing::run(&joined);
    assert_eq!(recorder.anomalies(), Vec::<&str>::new());
    let sees_certificate =
        |(app_proto, fields): (AppProto, &backstop_types::Fields)| app_proto == AppProto::Tls && fields.get("subject").is_some();
    assert!(recorder.transactions().any(sees_certificate));
}
