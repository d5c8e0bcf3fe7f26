//! 9404011.

use backstop_types::Value;

use super::*;

fn replayed(name: &str, config: DetectConfig) -> Flow {
    let mut flow = Flow::new(config);
    flow.server.port = 445;
    flow.replay(name, 1_460);
    flow
}

fn config() -> DetectConfig {
    DetectConfig { backup_servers: vec!["10.20.30.10/32".parse().unwrap()], ..DetectConfig::default() }
}

/// Name and outcome of the operations that an alert tells.
fn operations(flow: &Flow) -> Vec<(String, String)> {
    let [finding] = flow.alerts(9_404_011)[..] else { panic!("{:?}", told(flow)) };
    let Some(Value::List(all)) = object(&finding.context, "dcerpc").get("operations").cloned() else { panic!("none") };
    let of = |value: &Value| if let Value::Object(fields) = value { fields.clone() } else { panic!("{value:?}") };
    all.iter().map(|value| (text(&of(value), "name"), text(&of(value), "outcome"))).collect()
}

#[test]
fn enumerations_are_told_with_their_operations_and_what_came_of_them() {
    let flow = replayed("smb_enum_0", config());
    let expected = [("NetrSessionEnum", "attempt"), ("NetrShareEnum", "success")];
    assert_eq!(operations(&flow), expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())));
    assert_eq!(told(&flow), [(9_404_011, 3, Outcome::Success)]);
    let smb = object(&flow.alerts(9_404_011)[0].context, "smb");
    assert_eq!((text(&smb, "named_pipe"), text(&smb, "share")), ("srvsvc".to_owned(), r"\\10.20.30.10\IPC$".to_owned()));
    let Some(Value::List(interfaces)) = object(&smb, "dcerpc").get("interfaces").cloned() else { panic!("none") };
    let Value::Object(first) = &interfaces[0] else { panic!("no object") };
    assert_eq!(text(first, "uuid"), "4b324fc8-1670-01d3-1278-5a47bf6ee188");
    assert_eq!(flow.admitted_sids(), [9_404_011]);
    let flow = replayed("smb_enum_1", config());
    assert_eq!(operations(&flow)[0].0, "NetrWkstaUserEnum");
}

#[test]
fn known_clients_other_servers_and_other_pipes_are_silent() {
    let known = DetectConfig { known_clients: vec!["10.20.30.77/32".parse().unwrap()], ..config() };
    assert_eq!(told(&replayed("smb_enum_0", known)), []);
    // Whether the server is one, the correlator decides.
    assert_eq!(replayed("smb_enum_0", DetectConfig::default()).admitted_sids(), Vec::<u64>::new());
    assert!(!replayed("smb_svcctl", config()).admitted_sids().contains(&9_404_011));
}

/// A bind in a big-endian world, a request in pieces, no bind at all.
#[test]
fn requests_are_read_however_they_are_cut_and_without_their_bind() {
    let request = [&[5, 0, 0, 3, 0x10, 0, 0, 0, 26, 0, 0, 0, 1, 0, 0, 0][..], &[0, 0, 0, 0, 0, 0, 12, 0], &[1, 2]].concat();
    for (pipe, piece, expected) in [("srvsvc", 64, 1), ("srvsvc", 1, 1), (r"\SRVSVC", 5, 1), ("wkssvc", 64, 0), ("other", 64, 0)]
    {
        let mut talk = Talk::default();
        talk.connect(r"\\h\IPC$", 2, OK);
        let id = talk.create(pipe, OK);
        for part in request.chunks(piece) {
            talk.write(id, 0, part, OK);
        }
        let mut flow = Flow::new(config());
        flow.replay_script(&talk.script, 1_460);
        assert_eq!(flow.alerts(9_404_011).len(), expected, "{pipe} {piece}");
    }
}
