//! SQL texts to conditions: statements per second for what applications send and for what an attacker writes.

use std::hint::black_box;

use backstop_detectors::content::sql::{Around, Asked, Dialect, Memory, conditions, read_request};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ORDINARY: [&str; 3] = [
    "SELECT [id], [name], [job_id] FROM [dbo].[Backup.Model.JobSessions] WITH (NOLOCK) WHERE [state] = @p0 AND [end_time] > @p1 ORDER BY [creation_time] DESC",
    "UPDATE \"hosts\" SET \"last_seen\" = now(), \"status\" = 3 WHERE \"id\" = '5f3c1a2e-0000-4000-8000-1234567890ab'",
    "INSERT INTO [dbo].[log] ([at], [text]) VALUES (GETDATE(), N'Job ''nightly'' finished: 12 of 12 objects')",
];
const HOSTILE: [&str; 3] = [
    "EXEC/**/sp_configure 'xp_cmd'+'shell',1;RECONFIGURE;EXEC master..[xp_cmdshell] N'who'+CHAR(97)+0x6d6900",
    "DECLARE @c nvarchar(99)=N'EXEC xp_';SET @c=@c+'cmdshell ''dir'' ';EXEC sp_executesql @c",
    "DO $x$ BEGIN EXECUTE 'COPY t TO PROGRAM '||quote_literal('id') ; END $x$",
];

fn sql(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sql");
    for (name, texts) in [("ordinary", ORDINARY), ("hostile", HOSTILE)] {
        let bytes = texts.iter().map(|text| text.len() as u64).sum();
        group.throughput(Throughput::ElementsAndBytes { elements: texts.len() as u64, bytes });
        group.bench_function(name, |bencher| {
            bencher.iter(|| texts.iter().map(|text| black_box(conditions(text)).len()).sum::<usize>());
        });
    }
    // As the detectors read a request: by the rules of one server, with the tables that matter.
    for (name, texts) in [("request_ordinary", ORDINARY), ("request_hostile", HOSTILE)] {
        let bytes = texts.iter().map(|text| text.len() as u64).sum();
        group.throughput(Throughput::ElementsAndBytes { elements: texts.len() as u64, bytes });
        group.bench_function(name, |bencher| {
            let around =
                Around { dialect: Dialect::TransactSql, database: Some("VeeamBackup"), matters: &|table| table.name == "hosts" };
            let mut memory = Memory::default();
            let mut read = |text| read_request(&Asked::Text(black_box(text), Vec::new()), &around, &mut memory).hits.len();
            bencher.iter(|| texts.iter().copied().map(&mut read).sum::<usize>());
        });
    }
    let padded = format!("{}EXEC xp_cmdshell 'dir'", "/* x */ -- y\n    ".repeat(6_000));
    group.throughput(Throughput::Bytes(padded.len() as u64));
    group.bench_function("padded", |bencher| bencher.iter(|| black_box(conditions(&padded))));
    let large = ORDINARY.join(";\n").repeat(200);
    group.throughput(Throughput::Bytes(large.len() as u64));
    group.bench_function("one_large_batch", |bencher| bencher.iter(|| black_box(conditions(&large))));
    group.finish();
}

criterion_group!(benches, sql);
criterion_main!(benches);
