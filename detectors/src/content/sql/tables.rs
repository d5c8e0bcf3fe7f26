//! Which tables a text reads: what stands behind `FROM`, `JOIN` and their commas, whatever the parentheses.

use super::token::Token;
use super::words;

/// Parentheses that are told apart.
const MAX_LEVELS: usize = 4_096;
/// Names of common table expressions known at once. One more is taken for a table.
const MAX_NAMES: usize = 64;
/// Parts of a name: server, database, schema, object.
const MAX_PARTS: usize = 4;
/// Tokens in which the parenthesis of `OPENDATASOURCE(…)` is looked for.
const MAX_LOOK_AHEAD: usize = 64;

/// A pair of parentheses, or the text outside of all.
#[derive(Debug, Default)]
struct Level {
    /// A statement that reads is open: its `FROM` names tables.
    reads: bool,
    /// Behind `FROM`: a comma leads to the next table.
    list: bool,
    /// The next name is a table.
    expects: bool,
    /// The name in front of the parenthesis.
    before: Option<String>,
    /// It is the body of this common table expression.
    body_of: Option<String>,
}

/// Follows a text token by token.
#[derive(Debug)]
pub struct Tables {
    levels: Vec<Level>,
    /// Parentheses beyond the cap.
    beyond: usize,
    /// The name in front of the parentheses that closed last.
    closed: Option<String>,
    /// Common table expressions: name, and the number of levels it is known in.
    known: Vec<(String, usize)>,
    /// The statement that they belong to has begun.
    main: bool,
}

impl Tables {
    pub fn new() -> Self {
        Self { levels: vec![Level::default()], beyond: 0, closed: None, known: Vec::new(), main: false }
    }

    /// Outside of all parentheses.
    pub const fn is_outside(&self) -> bool {
        self.levels.len() == 1 && self.beyond == 0
    }

    /// The token at a place: the parts of a table's name that begins there, the last one its own.
    pub fn feed(&mut self, tokens: &[Token], at: usize) -> Option<Vec<String>> {
        let token = tokens.get(at)?;
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        let outside = self.is_outside();
        match token {
            Token::Symbol('(') => self.open(&before),
            Token::Symbol(')') => self.close(),
            Token::Symbol(';') => {
                *self = Self::new();
            }
            Token::Symbol(',') => {
                let level = self.levels.last_mut()?;
                level.expects = level.list;
            }
            Token::Word(word) => {
                if outside {
                    self.statement(word, before(1));
                }
                let level = self.levels.last_mut()?;
                if level.expects && !matches!(word.as_str(), "lateral" | "only" | "rows" | "select" | "with" | "values") {
                    level.expects = false;
                    if word == "opendatasource" {
                        return distant(tokens.get(at + 1..)?);
                    }
                    return self.name(tokens.get(at..)?);
                }
                let previous = before(1);
                let is = |word: &str| previous.is_some_and(|token| token.is(word));
                match word.as_str() {
                    "select" | "update" => *level = Level { reads: true, ..std::mem::take(level).around() },
                    "from" if level.reads && !is("delete") && !is("distinct") => {
                        level.list = true;
                        level.expects = true;
                    }
                    "join" | "apply" => level.expects = level.list,
                    // The statement of PostgreSQL that is a table's name alone.
                    "table" if previous.is_none_or(leads_to_query) => level.expects = true,
                    "with" | "on" | "execute" => {}
                    "set" => (level.list, level.expects) = (false, false),
                    other if words::ends_tables(other) => (level.list, level.expects) = (false, false),
                    other if words::kind(other).is_some() => *level = std::mem::take(level).around(),
                    _ => {}
                }
            }
            Token::Quoted(_) | Token::Double(_) | Token::Symbol('.') if self.levels.last().is_some_and(|level| level.expects) => {
                self.levels.last_mut()?.expects = false;
                return self.name(tokens.get(at..)?);
            }
            _ => {}
        }
        None
    }

    /// A word outside of parentheses: common table expressions live as long as their statement.
    fn statement(&mut self, word: &str, previous: Option<&Token>) {
        let goes_on = || previous.is_some_and(|token| ["union", "all", "except", "intersect"].iter().any(|word| token.is(word)));
        match word {
            "with" => self.main = false,
            "select" if goes_on() => {}
            "select" | "update" | "delete" | "merge" => {
                if self.main {
                    self.known.clear();
                }
                self.main = true;
            }
            // The main statement may be `INSERT … SELECT`.
            "insert" | "set" => {}
            other if words::kind(other).is_some() => self.known.clear(),
            _ => {}
        }
    }

    fn open<'a>(&mut self, before: &dyn Fn(usize) -> Option<&'a Token>) {
        if self.levels.len() >= MAX_LEVELS {
            self.beyond += 1;
            return;
        }
        let expects = self.levels.last_mut().is_some_and(|level| std::mem::take(&mut level.expects));
        let as_at = if before(1).is_some_and(|token| token.is("materialized")) {
            if before(2).is_some_and(|token| token.is("not")) { 3 } else { 2 }
        } else {
            1
        };
        let body_of = before(as_at).filter(|token| token.is("as")).and_then(|_| match before(as_at + 1)? {
            // `name (columns) AS (`
            Token::Symbol(')') => self.closed.take(),
            name => {
                let leads = before(as_at + 2)?;
                let is_list = leads.is("with") || leads.is("recursive") || leads.is_symbol(',');
                name.name().filter(|_| is_list)
            }
        });
        let name = before(1).and_then(Token::name);
        self.levels.push(Level { reads: expects, list: expects, expects, before: name, body_of });
    }

    fn close(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        if self.levels.len() < 2 {
            return;
        }
        let Some(level) = self.levels.pop() else { return };
        let levels = self.levels.len();
        self.known.retain(|(_, known_in)| *known_in <= levels);
        self.closed = level.before;
        if let Some(name) = level.body_of
            && self.known.len() < MAX_NAMES
        {
            self.known.push((name, levels));
        }
    }

    fn name(&self, tokens: &[Token]) -> Option<Vec<String>> {
        let (parts, _) = dotted(tokens)?;
        let own = parts.last()?;
        let is_known = parts.len() == 1 && self.known.iter().any(|(known, _)| known == own);
        (!is_known).then_some(parts)
    }
}

impl Level {
    /// What stays when a statement begins inside it.
    fn around(self) -> Self {
        Self { before: self.before, body_of: self.body_of, ..Self::default() }
    }
}

/// Behind these a query may stand.
fn leads_to_query(token: &Token) -> bool {
    matches!(token, Token::Symbol('(' | ';')) || ["as", "union", "all", "except", "intersect"].iter().any(|word| token.is(word))
}

/// `OPENDATASOURCE('provider', 'server').db.schema.table`, behind its word.
fn distant(tokens: &[Token]) -> Option<Vec<String>> {
    let close = tokens.iter().take(MAX_LOOK_AHEAD).position(|token| token.is_symbol(')'))?;
    tokens.get(close + 1).filter(|dot| dot.is_symbol('.'))?;
    dotted(tokens.get(close + 2..)?).map(|(parts, _)| parts)
}

/// `a.b.c.d`: its parts, at most the last four, and the tokens it takes. Parts may be left out (`master..x`, `..x`): they are
/// empty.
pub fn dotted(tokens: &[Token]) -> Option<(Vec<String>, usize)> {
    let mut parts = Vec::new();
    let mut used = 0;
    loop {
        let part = tokens.get(used).and_then(Token::name);
        used += usize::from(part.is_some());
        let ends = !tokens.get(used).is_some_and(|dot| dot.is_symbol('.'));
        if part.is_none() && ends {
            // A dot with nothing behind it names nothing.
            return None;
        }
        if parts.len() == MAX_PARTS {
            parts.remove(0);
        }
        parts.push(part.unwrap_or_default());
        if ends {
            return Some((parts, used));
        }
        used += 1;
    }
}
