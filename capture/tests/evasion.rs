//! The evasion captures, as far as capture and reassembly answer for them: the exact streams, the counters, and every
//! overlap policy. Skipped where the captures are not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use backstop_capture::batch::Batch;
use backstop_capture::decode::{DecodeConfig, Decoder};
use backstop_capture::flow::{FlowConfig, FlowTable};
use backstop_capture::handler::{Cause, EndReason, FlowView, Interest, StreamEnd, StreamHandler};
use backstop_capture::source::{Fill, Inputs, InputsConfig, Source as _};
use backstop_capture::tcp::OverlapPolicy;
use backstop_types::{Direction, PacketTime};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The pieces of each direction of each flow; a gap begins a new piece.
#[derive(Default)]
struct Streams(BTreeMap<(u64, Direction), Vec<Vec<u8>>>);

impl StreamHandler for Streams {
    type App = ();

    fn data(&mut self, flow: &FlowView, (): &mut (), direction: Direction, _: u64, bytes: &[u8], _: &Cause) -> Interest {
        let pieces = self.0.entry((flow.first_number, direction)).or_default();
        if pieces.is_empty() {
            pieces.push(Vec::new());
        }
        pieces.last_mut().unwrap().extend_from_slice(bytes);
        Interest::Continue
    }
    fn gap(&mut self, flow: &FlowView, (): &mut (), direction: Direction, _: u64, _: u64, _: &Cause) -> Interest {
        self.0.entry((flow.first_number, direction)).or_default().push(Vec::new());
        Interest::Continue
    }
    fn conflict(&mut self, _: &FlowView, (): &mut (), _: Direction, _: u64, _: &[u8], _: &[u8], _: &Cause) {}
    fn end_of_stream(&mut self, _: &FlowView, (): &mut (), _: Direction, _: StreamEnd, _: &Cause) {}
    fn flow_end(&mut self, _: &FlowView, (): (), _: EndReason, _: &Cause) {}
    fn wants_tick(&self, (): &()) -> bool {
        false
    }
    fn tick(&mut self, _: &FlowView, (): &mut (), _: &Cause) -> bool {
        false
    }
    fn is_precious(&self, (): &()) -> bool {
        false
    }
}

fn replay(file: &Path, policy: OverlapPolicy) -> (Streams, BTreeMap<&'static str, u64>) {
    let mut source =
        Inputs::open(&InputsConfig { paths: vec![file.to_owned()], filter: None, ..InputsConfig::default() }).unwrap();
    let mut decoder = Decoder::new(DecodeConfig::default(), [1, 2]);
    let mut table = FlowTable::new(FlowConfig { default_policy: policy, ..FlowConfig::default() }, [1, 2]);
    let mut streams = Streams::default();
    let mut batch = Batch::default();
    let mut last = Cause::default();
    let mut ticked = PacketTime::ZERO;
    loop {
        batch.clear();
        let fill = source.fill(&mut batch).unwrap();
        decoder.decode(&mut batch);
        for packet in &batch.packets {
            last = Cause { time: packet.time, number: packet.number, file: packet.file, file_number: packet.file_number };
            if packet.time.since(ticked).as_millis() >= 50 {
                table.tick(&last, &mut streams);
                ticked = packet.time;
            }
            table.packet(packet, batch.transport(packet), batch.payload(packet), &mut streams);
        }
        if fill == Fill::End {
            break;
        }
    }
    table.finish(&last, &mut streams);
    let counters = decoder.counters().iter().chain(table.counters().iter()).collect();
    (streams, counters)
}

fn folders() -> Vec<PathBuf> {
    let evasion = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures/evasion");
    [evasion.clone(), evasion.join("nettcp")].into_iter().filter(|folder| folder.join("MANIFEST.json").exists()).collect()
}

fn direction_of(line: &Value) -> Direction {
    if line["direction"] == "c2s" { Direction::ToServer } else { Direction::ToClient }
}

fn needle(line: &Value) -> Vec<u8> {
    let hex = line["expect_marker_hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn holds(streams: &Streams, direction: Direction, needle: &[u8]) -> bool {
    let pieces = streams.0.iter().filter(|((_, of), _)| *of == direction).flat_map(|(_, pieces)| pieces);
    pieces.into_iter().any(|piece| piece.windows(needle.len()).any(|window| window == needle))
}

#[test]
fn every_strict_line_of_the_manifests_holds() {
    let mut failures = Vec::new();
    for folder in folders() {
        let lines: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap()).unwrap();
        for line in &lines {
            let file = line["file"].as_str().unwrap();
            let strict = line["strict"].as_bool().unwrap();
            let (streams, counters) = replay(&folder.join(file), OverlapPolicy::Windows);
            let mut say = |what: String| {
                let note =
                    format!("{}/{file} {} {}: {what}", folder.file_name().unwrap().display(), line["direction"], line["needle"]);
                if strict { failures.push(note) } else { println!("not strict: {note}") }
            };
            let direction = direction_of(line);
            if holds(&streams, direction, &needle(line)) != line["expect_found"].as_bool().unwrap() {
                say(format!("found is not {}", line["expect_found"]));
            }
            for (name, least) in line["events"].as_object().into_iter().flatten() {
                let (least, got) = (least.as_u64().unwrap(), counters.get(name.as_str()).copied().unwrap_or(u64::MAX));
                if got == u64::MAX || got < least || (least == 0 && got != 0) {
                    say(format!("counter {name} is {got}, expected {least} or more (0: exactly 0)"));
                }
            }
            // The exact pieces of the stream, where the manifest gives them for this direction.
            let Some(expected) = line["stream"].as_array() else { continue };
            let digests: Vec<(usize, String)> = expected
                .iter()
                .map(|piece| (piece["bytes"].as_u64().unwrap() as usize, piece["sha256"].as_str().unwrap().to_owned()))
                .collect();
            // Other conversations of the file (interleave) are not described.
            let got: Vec<(usize, String)> = streams
                .0
                .iter()
                .filter(|((_, of), _)| *of == direction)
                .flat_map(|(_, pieces)| pieces)
                .filter(|piece| !piece.is_empty())
                .map(|piece| (piece.len(), Sha256::digest(piece).iter().map(|byte| format!("{byte:02x}")).collect()))
                .collect();
            if !digests.iter().filter(|digest| digest.0 > 0).all(|digest| got.contains(digest)) {
                let sizes: Vec<usize> = got.iter().map(|piece| piece.0).collect();
                say(format!("pieces of {sizes:?} bytes, expected {digests:?}"));
            }
        }
    }
    failures.dedup();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn each_overlap_policy_sees_what_its_receiver_sees() {
    for folder in folders() {
        let lines: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap()).unwrap();
        for line in &lines {
            for (name, found) in line["by_policy"].as_object().into_iter().flatten() {
                let Some(policy) = OverlapPolicy::by_name(name) else { continue };
                let file = line["file"].as_str().unwrap();
                let (streams, _) = replay(&folder.join(file), policy);
                let got = holds(&streams, direction_of(line), &needle(line));
                assert_eq!(got, found.as_bool().unwrap(), "{file} {} under {name}", line["needle"]);
            }
        }
    }
}
