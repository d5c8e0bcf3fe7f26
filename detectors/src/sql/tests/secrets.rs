use super::*;
use crate::testing::{object, text as text_of};
use crate::{Confidence, Correlator, Fact, Outcome};
use std::sync::Arc;

const SID: u64 = 9_402_007;

/// Database of the session, the attack in it, and the nearest query that is none. T-SQL.
const TDS: &[(&str, &str, &str)] = &[
    ("VeeamBackup", "SELECT top 100 * FROM Credentials", "SELECT top 100 * FROM Jobs WHERE name='Credentials'"),
    ("veeambackup", "select user_name,password from [dbo].[Credentials]", "select name from sys.credentials"),
    ("master", "use VeeamBackup SELECT * FROM HostCreds;", "use Crm SELECT * FROM HostCreds;"),
    ("master", "SELECT * FROM VeeamBackup..Ssh_creds", "SELECT * FROM Crm..Ssh_creds"),
    ("master", "SELECT * FROM [VEEAMBACKUP].[dbo].[Credentials] c", "SELECT * FROM dbo.Credentials c"),
    ("crm", "SELECT * FROM srv.VeeamBackup.dbo.SmbFileShares", "SELECT * FROM srv.crm.dbo.SmbFileShares"),
    ("VeeamBackup", "SELECT a.x FROM Jobs a, JobVssCredsView b", "SELECT a.x, JobVssCredsView FROM Jobs a"),
    ("VeeamBackup", "SELECT 1 FROM Jobs j LEFT JOIN (Credentials c JOIN t ON 1=1) ON 1=1", "SELECT 1 FROM Jobs Credentials"),
    ("VeeamBackup", "SELECT (SELECT TOP 1 password FROM Credentials)", "SELECT (SELECT TOP 1 password FROM t) Credentials"),
    (
        "VeeamBackup",
        "WITH c AS (SELECT * FROM Credentials) SELECT * FROM c",
        "WITH Credentials AS (SELECT 1 a) SELECT * FROM Credentials",
    ),
    (
        "VeeamBackup",
        "WITH Credentials AS (SELECT 1 a) SELECT * FROM Credentials SELECT * FROM Credentials",
        "WITH Credentials (a) AS (SELECT 1) SELECT * FROM Credentials UNION ALL SELECT * FROM Credentials",
    ),
    ("VeeamBackup", "INSERT INTO t SELECT * FROM Credentials", "INSERT INTO Credentials SELECT * FROM t"),
    ("VeeamBackup", "UPDATE t SET p=c.password FROM Credentials c", "UPDATE Credentials SET visible=1 WHERE id=1"),
    ("VeeamBackup", "EXEC('SELECT * FROM Cre'+'dentials')", "PRINT 'SELECT * FROM Credentials'"),
    ("VeeamBackup", "SELECT/**/*/*x*/FROM/**/\"Credentials\"--", "SELECT * /* FROM Credentials */ FROM Jobs"),
    ("master", "EXEC VeeamBackup..sp_executesql N'SELECT * FROM Credentials'", "EXEC sp_executesql N'SELECT * FROM Credentials'"),
    (
        "master",
        "SELECT * FROM OPENROWSET('SQLNCLI','Server=a;Database=VeeamBackup;','SELECT * FROM Credentials')",
        "SELECT * FROM OPENROWSET('SQLNCLI','Server=a;Database=Crm;','SELECT * FROM Credentials')",
    ),
    (
        "master",
        "SELECT * FROM OPENROWSET('SQLNCLI','a';'u';'p',VeeamBackup.dbo.Credentials)",
        "SELECT * FROM OPENROWSET('SQLNCLI','a';'u';'p',Crm.dbo.Credentials)",
    ),
    (
        "master",
        "SELECT * FROM OPENDATASOURCE('p','s').VeeamBackup.dbo.Credentials",
        "SELECT * FROM OPENDATASOURCE('p','s').Crm.dbo.Credentials",
    ),
    (
        "master",
        "CREATE SYNONYM s FOR VeeamBackup.dbo.Credentials; SELECT * FROM s",
        "CREATE SYNONYM s FOR Crm.dbo.Credentials; SELECT * FROM s",
    ),
    ("", "SELECT * FROM dbo.Credentials", "SELECT * FROM Credentials"),
    ("", "SELECT * FROM Ssh_creds", "SELECT * FROM sales.Credentials"),
    ("VeeamBackup", "SELECT * FROM t SELECT * FROM Credentials", "DELETE FROM Credentials"),
    ("VeeamBackup", "SELECT ISNULL((SELECT TOP 1 password FROM Credentials),'')", "SELECT OBJECT_ID('Credentials')"),
    ("VeeamBackup", "SELECT * FROM t WITH (NOLOCK), Credentials", "SELECT * FROM t WITH (INDEX(Credentials))"),
];

/// PostgreSQL.
const PGSQL: &[(&str, &str, &str)] = &[
    ("VeeamBackup", "SELECT * FROM credentials", "SELECT credentials FROM t"),
    ("VeeamBackup", "SELECT * FROM \"public\".\"credentials\"", "SELECT * FROM information_schema.credentials"),
    ("VeeamBackup", "COPY public.credentials (id, password) TO STDOUT", "COPY public.credentials (id, password) FROM STDIN"),
    ("VeeamBackup", "TABLE ssh_creds", "ALTER TABLE ssh_creds OWNER TO x"),
    ("VeeamBackup", "SELECT * FROM ONLY hostcreds", "SELECT extract(year FROM hostcreds) FROM t"),
    (
        "VeeamBackup",
        "DO $$ BEGIN EXECUTE 'SELECT * FROM cre' || 'dentials'; END $$",
        "DO $$ BEGIN RAISE NOTICE 'FROM credentials'; END $$",
    ),
    ("VeeamBackup", "SELECT * FROM U&\"\\0063redentials\"", "SELECT U&'\\0063redentials'"),
    (
        "VeeamBackup",
        "SELECT (WITH credentials AS (SELECT 1) SELECT 1), password FROM credentials",
        "WITH credentials AS MATERIALIZED (SELECT 1) SELECT * FROM credentials",
    ),
    (
        "postgres",
        "SELECT * FROM dblink('dbname=VeeamBackup','SELECT * FROM credentials') AS t(a text)",
        "SELECT * FROM dblink('dbname=crm','SELECT * FROM credentials') AS t(a text)",
    ),
    (
        "VeeamBackup",
        "SELECT 1 WHERE a IS DISTINCT FROM b AND c IN (SELECT id FROM credentials)",
        "SELECT a IS DISTINCT FROM credentials FROM t",
    ),
    ("VeeamBackup", "SELECT * FROM credentials", "SELECT * FROM crm.pg_catalog.credentials"),
    ("VeeamBackup", "EXPLAIN ANALYZE SELECT * FROM credentials", "LOCK TABLE credentials"),
];

#[test]
fn queries_of_secrets_are_told_and_their_look_alikes_are_not() {
    let mut wrong = Vec::new();
    let mut check = |database: &str, text: &str, expected: bool, ask: &dyn Fn(&mut Server, &str)| {
        let mut server = Server::new(database);
        ask(&mut server, text);
        if server.sids() != if expected { vec![SID] } else { Vec::new() } {
            wrong.push(format!("{database}: {text}: {:?}", server.sids()));
        }
    };
    for (database, attack, benign) in TDS {
        check(database, attack, true, &Server::batch);
        check(database, benign, false, &Server::batch);
    }
    for (database, attack, benign) in PGSQL {
        check(database, attack, true, &Server::query);
        check(database, benign, false, &Server::query);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn backup_servers_and_the_server_itself_are_silent() {
    let told = |client: &str, config: DetectConfig, learned: bool| {
        let mut server = Server::with("VeeamBackup", config.clone());
        server.flow.client.addr = client.parse().unwrap();
        server.batch("SELECT * FROM Credentials");
        let mut correlator = Correlator::new(Arc::new(config));
        if learned {
            correlator.fact(Fact::BackupServer(server.flow.client.addr));
        }
        !admitted(&mut correlator, &server.flow).is_empty()
    };
    let configured = DetectConfig { backup_servers: vec!["10.20.30.5/32".parse().unwrap()], ..DetectConfig::default() };
    assert!(told("10.20.30.77", DetectConfig::default(), false));
    assert!(!told("10.20.30.5", configured.clone(), false));
    assert!(!told("127.0.0.1", DetectConfig::default(), false) && !told("10.20.30.10", DetectConfig::default(), false));
    assert!(!told("10.20.30.77", DetectConfig::default(), true), "a learned backup server");
    assert!(told("10.20.30.77", configured, true), "one that only plays it, where servers are configured");
}

#[test]
fn the_same_query_again_is_counted_and_another_is_told() {
    let mut server = Server::new("VeeamBackup");
    for _ in 0..5 {
        server.batch("SELECT * FROM Credentials");
    }
    server.batch("SELECT * FROM HostCreds");
    assert_eq!(server.sids(), [SID, SID]);
    server.flow.end();
    let updates = server.flow.updates(SID);
    assert_eq!(crate::testing::number(&object(&updates[0].context, "tds"), "count_untold"), Some(4));
}

#[test]
fn the_database_in_use_follows_what_the_server_says() {
    let mut server = Server::new("master");
    let used = server.ask(&[batch("USE VeeamBackup")]);
    // Nobody saw the reply.
    server.batch("SELECT * FROM Credentials");
    assert_eq!(server.sids(), [SID]);
    let mut refused = tds::Reply::default();
    refused.failed = true;
    server.tds(tds::Stage::Answered, used, &[batch("USE VeeamBackup")], Some(&refused));
    server.batch("SELECT password FROM Credentials");
    assert_eq!(server.sids(), [SID], "the change was refused");
}

#[test]
fn the_outcome_and_the_tables_are_part_of_the_evidence() {
    let mut server = Server::new("VeeamBackup");
    let mut reply = tds::Reply::default();
    (reply.complete, reply.failed, reply.rows, reply.columns) = (true, true, Some(4), vec!["password".to_owned()]);
    server.run_with(&[batch("SELECT * FROM Credentials SELECT 1/0")], &reply);
    let found = server.flow.alerts(SID)[0];
    assert_eq!(found.outcome, Outcome::Success, "rows came back, whatever failed besides");
    assert_eq!(found.confidence, Confidence::High);
    let tds = object(&found.context, "tds");
    assert_eq!(text_of(&tds, "sql"), "SELECT * FROM Credentials SELECT 1/0");
    assert!(format!("{:?}", tds.get("tables")).contains("veeambackup.credentials"));
}
