//! Variables that are given constants.

use super::fold::Constant;
use super::reader::Reader;
use super::token::Token;
use super::words;

impl Reader<'_> {
    /// `DECLARE @x type [= value], @y …`.
    pub fn declare(&mut self, tokens: &[Token]) {
        let mut used = 0;
        while let Some(Token::Variable(name)) = tokens.get(used) {
            used += 1;
            // Over the type.
            let mut parens = 0_usize;
            loop {
                match tokens.get(used) {
                    Some(Token::Symbol('(')) => parens += 1,
                    Some(Token::Symbol(')')) if parens > 0 => parens -= 1,
                    Some(Token::Word(word)) if !words::begins_statement(word) => {}
                    Some(Token::Quoted(_) | Token::Double(_) | Token::Symbol('.')) => {}
                    Some(Token::Number(_) | Token::Symbol(',')) if parens > 0 => {}
                    _ => break,
                }
                used += 1;
            }
            if let Some(Token::Symbol('=')) = tokens.get(used) {
                let (value, taken) = self.folder.expression(tokens.get(used + 1..).unwrap_or_default());
                self.folder.set(name, value);
                used += 1 + taken;
            }
            match tokens.get(used) {
                Some(Token::Symbol(',')) => used += 1,
                _ => break,
            }
        }
    }

    /// `@x = value` and `@x += value`; how many tokens they take.
    pub fn assign(&mut self, tokens: &[Token]) -> usize {
        match tokens {
            [Token::Variable(name), Token::Symbol('='), rest @ ..] => {
                let (value, used) = self.folder.expression(rest);
                self.folder.set(name, value);
                used + 2
            }
            [Token::Variable(name), Token::Symbol('+'), Token::Symbol('='), rest @ ..] => {
                let (value, used) = self.folder.expression(rest);
                let before = self.folder.get(name).cloned().map(Constant::into_text);
                let joined = before.zip(value).map(|(before, value)| Constant::Text(before + &value.into_text()));
                self.folder.set(name, joined);
                used + 3
            }
            _ => 0,
        }
    }

    /// `SELECT [TOP n] @x = value, @y = value`.
    pub fn select(&mut self, tokens: &[Token]) {
        let mut used = match tokens {
            [Token::Word(top), Token::Number(_), ..] if top == "top" => 2,
            [Token::Word(top), Token::Symbol('('), Token::Number(_), Token::Symbol(')'), ..] if top == "top" => 4,
            _ => 0,
        };
        loop {
            let taken = self.assign(tokens.get(used..).unwrap_or_default());
            used += taken;
            match tokens.get(used) {
                Some(Token::Symbol(',')) if taken > 0 => used += 1,
                _ => return,
            }
        }
    }

    /// PL/pgSQL: `x [type] := value`. The type may have three words; with a plain `=` only where nothing stands between, as
    /// that is a comparison otherwise.
    pub fn assign_word(&mut self, name: &str, tokens: &[Token]) {
        if words::begins_statement(name) {
            return;
        }
        let type_len = tokens
            .iter()
            .take(8)
            .take_while(|token| {
                matches!(token, Token::Word(word) if !words::begins_statement(word) && word != "default")
                    || matches!(token, Token::Number(_) | Token::Symbol('(' | ')' | ','))
            })
            .count();
        let value = match tokens.get(type_len..).unwrap_or_default() {
            [Token::Symbol(':'), Token::Symbol('='), rest @ ..] => rest,
            [Token::Word(word), rest @ ..] if word == "default" && type_len > 0 => rest,
            _ => return,
        };
        let (value, _) = self.folder.expression(value);
        self.folder.set(name, value);
    }
}
