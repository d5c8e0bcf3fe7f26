//! Requests of TDS and PostgreSQL as one: what is asked for, by whom, and what the reply says.

use backstop_protocols::{Transaction, pgsql, tds};

use crate::Outcome;
use crate::content::sql::{Argument, Asked, Dialect};

/// Object id of `lo_export` (PostgreSQL, pg_proc.dat).
const LO_EXPORT: u32 = 765;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Seen,
    Answered,
    Unanswered,
}

/// A stage of a request.
pub enum Request<'a> {
    Tds(&'a tds::Request<'a>),
    Pgsql(&'a pgsql::Request<'a>),
}

/// One thing that is asked for.
pub struct Part<'a> {
    pub asked: Asked<'a>,
    /// It is prepared only: nothing runs yet.
    pub prepares: bool,
}

impl<'a> Request<'a> {
    pub fn of(transaction: &'a Transaction<'a>) -> Option<Self> {
        match transaction {
            Transaction::Tds(tds::Transaction::Request(request)) => Some(Self::Tds(request)),
            Transaction::Pgsql(pgsql::Transaction::Request(request)) => Some(Self::Pgsql(request)),
            _ => None,
        }
    }

    pub const fn tx_id(&self) -> u64 {
        match self {
            Self::Tds(request) => request.tx_id,
            Self::Pgsql(request) => request.tx_id,
        }
    }

    pub const fn progress(&self) -> Progress {
        match self {
            Self::Tds(request) => match request.stage {
                tds::Stage::Seen => Progress::Seen,
                tds::Stage::Answered => Progress::Answered,
                tds::Stage::Unanswered => Progress::Unanswered,
            },
            Self::Pgsql(request) => match request.stage {
                pgsql::Stage::Requested => Progress::Seen,
                pgsql::Stage::Answered => Progress::Answered,
                pgsql::Stage::Unanswered => Progress::Unanswered,
            },
        }
    }

    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Tds(_) => Dialect::TransactSql,
            Self::Pgsql(_) => Dialect::Postgres,
        }
    }

    /// The database in use, where it is known.
    pub fn database(&self) -> Option<&'a str> {
        match self {
            Self::Tds(request) => request.session.database.as_deref(),
            Self::Pgsql(request) => request.session.database(),
        }
        .filter(|database| !database.is_empty())
    }

    /// A prepared statement runs whose text nobody saw.
    pub fn runs_unseen(&self) -> bool {
        match self {
            Self::Tds(request) => request.statements.iter().any(|statement| {
                let named = statement
                    .procedure
                    .as_deref()
                    .is_some_and(|name| name.eq_ignore_ascii_case("sp_execute") || name.eq_ignore_ascii_case("sp_cursorexecute"));
                named && statement.text.is_none()
            }),
            Self::Pgsql(request) => request.kind == pgsql::Kind::Execute && request.text.is_none(),
        }
    }

    /// What is asked for.
    pub fn parts(&self) -> Vec<Part<'a>> {
        match self {
            Self::Tds(request) => request.statements.iter().filter_map(of_statement).collect(),
            Self::Pgsql(request) => of_pgsql(request).into_iter().collect(),
        }
    }

    /// A text to show: the first one, or the call as a statement.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Tds(request) => {
                let statement =
                    request.statements.iter().find(|statement| statement.text.is_some() || statement.procedure.is_some())?;
                if let Some(text) = &statement.text {
                    return Some(text.clone());
                }
                let arguments = statement.parameters.iter().filter_map(|parameter| value(&parameter.value));
                let arguments: Vec<String> = arguments.map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
                Some(format!("EXEC {} {}", statement.procedure.as_deref().unwrap_or_default(), arguments.join(", ")))
            }
            Self::Pgsql(request) => request.text.map(str::to_owned),
        }
    }

    /// What the reply says of a condition: success where it proves it, whatever failed besides.
    pub fn outcome(&self, sid: u64) -> Outcome {
        let (ok, proof) = match self {
            Self::Tds(request) => {
                let Some(reply) = request.reply else { return Outcome::Unknown };
                let proof = match sid {
                    // 15457: the option was changed; the message has its name and its values.
                    9_402_001 => reply.infos.iter().any(|info| info.number == 15_457 && info.message.contains("xp_cmdshell")),
                    9_402_002 => reply.columns.iter().any(|column| column == "output"),
                    9_402_007 | 9_402_008 => !reply.columns.is_empty() && reply.rows.is_some_and(|rows| rows > 0),
                    _ => false,
                };
                (reply.ok(), proof)
            }
            Self::Pgsql(request) => {
                let Some(reply) = request.reply else { return Outcome::Unknown };
                let ok = if reply.error.is_some() { Some(false) } else { reply.ok().then_some(true) };
                (ok, matches!(sid, 9_402_007 | 9_402_008) && reply.rows > 0)
            }
        };
        match ok {
            _ if proof => Outcome::Success,
            Some(true) => Outcome::Success,
            Some(false) => Outcome::Attempt,
            None => Outcome::Unknown,
        }
    }
}

fn of_statement(statement: &tds::Statement) -> Option<Part<'_>> {
    let arguments = || -> Vec<Argument> {
        let argument = |parameter: &tds::Parameter| Argument {
            name: parameter.name.as_ref().map(|name| name.to_lowercase()),
            value: value(&parameter.value),
        };
        statement.parameters.iter().map(argument).collect()
    };
    let Some(procedure) = statement.procedure.as_deref() else {
        return statement.text.as_deref().map(|text| Part { asked: Asked::Text(text, Vec::new()), prepares: false });
    };
    if statement.prepared {
        let text = statement.text.as_deref()?;
        // The first one is the handle.
        let bound = arguments().into_iter().skip(1).collect();
        return Some(Part { asked: Asked::Prepared(text, bound), prepares: false });
    }
    let own = procedure.rsplit('.').next().unwrap_or_default().trim_matches(['[', ']', '"']).to_lowercase();
    let prepares = own == "sp_prepare" || own == "sp_cursorprepare";
    Some(Part { asked: Asked::Call(procedure, arguments()), prepares })
}

fn of_pgsql<'a>(request: &'a pgsql::Request<'_>) -> Option<Part<'a>> {
    let arguments = |named: bool| -> Vec<Argument> {
        let argument = |(at, parameter): (usize, &pgsql::Parameter)| Argument {
            name: named.then(|| format!("${}", at + 1)),
            value: if let pgsql::Parameter::Text(text) = parameter { Some(text.clone()) } else { None },
        };
        request.parameters.iter().enumerate().map(argument).collect()
    };
    if request.kind == pgsql::Kind::FunctionCall {
        let known = request.function == Some(LO_EXPORT);
        return known.then(|| Part { asked: Asked::Call("lo_export", arguments(false)), prepares: false });
    }
    let text = request.text?;
    Some(Part { asked: Asked::Text(text, arguments(true)), prepares: request.kind == pgsql::Kind::Prepare })
}

/// A value as text, the way T-SQL converts it.
pub fn value(value: &tds::Value) -> Option<String> {
    match value {
        tds::Value::Bool(value) => Some(u8::from(*value).to_string()),
        tds::Value::Int(value) => Some(value.to_string()),
        tds::Value::Scalar(text) | tds::Value::Text { text, .. } => Some(text.clone()),
        tds::Value::Binary { head, .. } => Some(String::from_utf8_lossy(head).into_owned()),
        tds::Value::Null | tds::Value::Table { .. } => None,
    }
}
