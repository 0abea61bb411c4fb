//! From pieces to a query.

use super::token::{Placed, Token, refuse, tokens};
use crate::salesforce::refused::SalesforceRefused as Refused;

/// The longest query that is taken.
const LONGEST: usize = 100_000;
/// Conditions may be nested so deep.
const DEEPEST: usize = 64;

/// A query as it is written; names are not yet known to exist.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) select: Vec<Item>,
    pub(crate) from: Name,
    pub(crate) condition: Option<Condition>,
    pub(crate) order: Vec<Order>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
}

/// A name and its place.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// Something selected.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Field(Name),
    /// `COUNT()`: only the number of records.
    Count,
    /// The records that refer to this one.
    Children(Box<Query>),
}

/// What records must be.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Compare {
        field: Name,
        operator: Operator,
        values: Vec<Literal>,
    },
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    pub(crate) value: Option<Token>,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    In,
    NotIn,
}

/// One field of the order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) field: Name,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// Reads a query.
pub(crate) fn parse(text: &str) -> Result<Query, Refused> {
    if text.trim().is_empty() {
        return Err(Refused::new(
            "MALFORMED_QUERY",
            "A query string has to be specified",
        ));
    }
    if text.len() > LONGEST {
        return Err(Refused::new(
            "QUERY_TOO_COMPLICATED",
            "SOQL statement is too long",
        ));
    }
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        next: 0,
    };
    let query = parser.query(false)?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens
            .get(self.next)
            .map_or(&Token::End, |placed| &placed.token)
    }

    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.text.len(), |placed| placed.at)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn unexpected(&self) -> Refused {
        let shown = match self.peek() {
            Token::Word(word) => format!("unexpected token: '{word}'"),
            Token::Sign(sign) => format!("unexpected token: '{sign}'"),
            Token::End => "unexpected token: '<EOF>'".to_owned(),
            _ => "unexpected token".to_owned(),
        };
        refuse("MALFORMED_QUERY", self.text, self.at(), &shown)
    }

    /// True and past it when the next word is this keyword.
    fn word(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        if found {
            self.next += 1;
        }
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(known) if *known == sign);
        if found {
            self.next += 1;
        }
        found
    }

    fn need_word(&mut self, keyword: &str) -> Result<(), Refused> {
        if self.word(keyword) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn need_sign(&mut self, sign: &str) -> Result<(), Refused> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn name(&mut self) -> Result<Name, Refused> {
        let at = self.at();
        match self.peek().clone() {
            Token::Word(text) if !text.ends_with('.') => {
                self.next += 1;
                Ok(Name { text, at })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn query(&mut self, inner: bool) -> Result<Query, Refused> {
        self.need_word("SELECT")?;
        let mut select = vec![self.item(inner)?];
        while self.sign(",") {
            select.push(self.item(inner)?);
        }
        self.need_word("FROM")?;
        let from = self.name()?;
        let condition = if self.word("WHERE") {
            Some(self.conditions(0)?)
        } else {
            None
        };
        let mut order = Vec::new();
        if self.word("ORDER") {
            self.need_word("BY")?;
            loop {
                order.push(self.order()?);
                if !self.sign(",") {
                    break;
                }
            }
        }
        let limit = if self.word("LIMIT") {
            Some(self.whole()?)
        } else {
            None
        };
        let offset = if self.word("OFFSET") {
            self.whole()?
        } else {
            0
        };
        Ok(Query {
            text: self.text.to_owned(),
            select,
            from,
            condition,
            order,
            limit,
            offset,
        })
    }

    fn item(&mut self, inner: bool) -> Result<Item, Refused> {
        if self.sign("(") {
            if inner {
                return Err(self.unexpected());
            }
            let query = self.query(true)?;
            self.need_sign(")")?;
            return Ok(Item::Children(Box::new(query)));
        }
        let name = self.name()?;
        if name.text.eq_ignore_ascii_case("COUNT") && self.sign("(") {
            self.need_sign(")")?;
            return Ok(Item::Count);
        }
        Ok(Item::Field(name))
    }

    fn order(&mut self) -> Result<Order, Refused> {
        let field = self.name()?;
        let descending = self.word("DESC");
        if !descending {
            self.word("ASC");
        }
        let nulls_last = if self.word("NULLS") {
            let last = self.word("LAST");
            if !last {
                self.need_word("FIRST")?;
            }
            last
        } else {
            false
        };
        Ok(Order {
            field,
            descending,
            nulls_last,
        })
    }

    fn whole(&mut self) -> Result<usize, Refused> {
        match self.peek() {
            Token::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number < 1e9 => {
                let whole = format!("{number:.0}").parse().unwrap_or(usize::MAX);
                self.next += 1;
                Ok(whole)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Conditions joined by one of AND and OR; both together need parentheses.
    fn conditions(&mut self, depth: usize) -> Result<Condition, Refused> {
        let first = self.condition(depth)?;
        let mut all = vec![first];
        let keyword = if self.word("AND") {
            "AND"
        } else if self.word("OR") {
            "OR"
        } else {
            return Ok(Condition::All(all));
        };
        loop {
            all.push(self.condition(depth)?);
            if !self.word(keyword) {
                break;
            }
        }
        if matches!(self.peek(), Token::Word(w) if w.eq_ignore_ascii_case("AND") || w.eq_ignore_ascii_case("OR"))
        {
            return Err(self.unexpected());
        }
        Ok(if keyword == "AND" {
            Condition::All(all)
        } else {
            Condition::Any(all)
        })
    }

    fn condition(&mut self, depth: usize) -> Result<Condition, Refused> {
        if depth > DEEPEST {
            return Err(Refused::new(
                "QUERY_TOO_COMPLICATED",
                "Query is too complicated",
            ));
        }
        if self.word("NOT") {
            return Ok(Condition::Not(Box::new(self.condition(depth + 1)?)));
        }
        if self.sign("(") {
            let inner = self.conditions(depth + 1)?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        let field = self.name()?;
        let operator = self.operator()?;
        let values = if matches!(operator, Operator::In | Operator::NotIn) {
            self.need_sign("(")?;
            let mut values = vec![self.literal()?];
            while self.sign(",") {
                values.push(self.literal()?);
            }
            self.need_sign(")")?;
            values
        } else {
            vec![self.literal()?]
        };
        Ok(Condition::Compare {
            field,
            operator,
            values,
        })
    }

    fn operator(&mut self) -> Result<Operator, Refused> {
        let operator = match self.peek().clone() {
            Token::Sign("=") => Operator::Equal,
            Token::Sign("!=" | "<>") => Operator::NotEqual,
            Token::Sign("<") => Operator::Less,
            Token::Sign("<=") => Operator::LessOrEqual,
            Token::Sign(">") => Operator::Greater,
            Token::Sign(">=") => Operator::GreaterOrEqual,
            Token::Word(word) if word.eq_ignore_ascii_case("LIKE") => Operator::Like,
            Token::Word(word) if word.eq_ignore_ascii_case("IN") => Operator::In,
            Token::Word(word) if word.eq_ignore_ascii_case("NOT") => {
                self.next += 1;
                self.need_word("IN")?;
                return Ok(Operator::NotIn);
            }
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(operator)
    }

    /// A value; null is none.
    fn literal(&mut self) -> Result<Literal, Refused> {
        let at = self.at();
        let value = match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("null") => None,
            Token::Word(word) if word.eq_ignore_ascii_case("true") => {
                Some(Token::Word("true".to_owned()))
            }
            Token::Word(word) if word.eq_ignore_ascii_case("false") => {
                Some(Token::Word("false".to_owned()))
            }
            Token::Text(_) | Token::Number(_) | Token::Day(_) | Token::At(_) => {
                Some(self.peek().clone())
            }
            _ => return Err(self.unexpected()),
        };
        self.take();
        Ok(Literal { value, at })
    }
}
