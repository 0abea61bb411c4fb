//! Pages of a list: sorted by a key and the id, continued behind a cursor that holds both, so that an edit moves a record and loses none.
//!
//! Refuses: a page without a size, sizes beyond 250, a cursor that is none. A bulk operation alone may ask for everything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::graphql::{Args, Fault, Node};

/// The largest page.
pub(crate) const MAX: i64 = 250;

/// What a list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    /// A time or a number.
    Number(i64),
    /// A name.
    Text(String),
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    last_id: u64,
    last_value: Key,
}

fn cursor(key: &Key, id: u64) -> String {
    let cursor = Cursor {
        last_id: id,
        last_value: key.clone(),
    };
    STANDARD.encode(serde_json::to_string(&cursor).unwrap_or_default())
}

fn read(text: &str) -> Result<(Key, u64), Fault> {
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok())
        .map(|cursor| (cursor.last_value, cursor.last_id))
        .ok_or_else(|| Fault::new("BAD_REQUEST", "Invalid cursor for current pagination sort."))
}

fn size(args: &Args, name: &str) -> Result<Option<usize>, Fault> {
    match args.number(name) {
        None => Ok(None),
        Some(0) => Err(Fault::new(
            "BAD_REQUEST",
            format!("{name} must be greater than 0"),
        )),
        Some(n) if n < 0 => Err(Fault::new(
            "BAD_REQUEST",
            format!("{name} cannot be negative"),
        )),
        Some(n) if n > MAX => Err(Fault::new(
            "BAD_REQUEST",
            format!("{name} cannot exceed {MAX}"),
        )),
        Some(n) => Ok(usize::try_from(n).ok()),
    }
}

/// One page, and where it ends.
#[derive(Debug)]
pub(crate) struct Page {
    items: Vec<(Key, u64)>,
    has_next: bool,
    has_previous: bool,
}

impl Page {
    /// Cuts the page out of a list.
    pub(crate) fn cut(
        mut items: Vec<(Key, u64)>,
        args: &Args,
        unlimited: bool,
    ) -> Result<Self, Fault> {
        // A bulk operation reads lists whole, whatever size is asked for.
        let (first, last) = if unlimited {
            (None, None)
        } else {
            (size(args, "first")?, size(args, "last")?)
        };
        if first.is_some() && last.is_some() {
            return Err(Fault::new(
                "BAD_REQUEST",
                "providing both first and last is not supported",
            ));
        }
        if first.is_none() && last.is_none() && !unlimited {
            return Err(Fault::new(
                "BAD_REQUEST",
                "you must provide one of first or last",
            ));
        }
        let reverse = args.flag("reverse");
        items.sort_unstable();
        if reverse {
            items.reverse();
        }
        let whole = items.len();
        let behind =
            |item: &(Key, u64), mark: &(Key, u64)| if reverse { item < mark } else { item > mark };
        let mut has_previous = false;
        if let Some(after) = args.text("after") {
            let mark = read(after)?;
            items.retain(|item| behind(item, &mark));
            has_previous = items.len() < whole;
        }
        let mut has_next = false;
        if let Some(before) = args.text("before") {
            let mark = read(before)?;
            let kept = items.len();
            items.retain(|item| *item != mark && !behind(item, &mark));
            has_next = items.len() < kept;
        }
        if let Some(first) = first {
            has_next = has_next || items.len() > first;
            items.truncate(first);
        }
        if let Some(last) = last {
            let cut = items.len().saturating_sub(last);
            has_previous = has_previous || cut > 0;
            items.drain(..cut);
        }
        Ok(Self {
            items,
            has_next,
            has_previous,
        })
    }

    /// The cursor behind which the next page starts; `None` at the end.
    pub(crate) fn next(&self) -> Option<String> {
        let (key, id) = self.items.last()?;
        self.has_next.then(|| cursor(key, *id))
    }

    /// The page as the object GraphQL answers. `names` are those of the connection and of its edges.
    pub(crate) fn node<R: Clone>(
        &self,
        names: (&'static str, &'static str),
        node: impl Fn(u64) -> Node<R>,
    ) -> Node<R> {
        let nodes: Vec<Node<R>> = self.items.iter().map(|(_, id)| node(*id)).collect();
        let edges = self
            .items
            .iter()
            .zip(&nodes)
            .map(|((key, id), node)| {
                Node::Object(
                    names.1,
                    vec![
                        ("cursor", Node::of(cursor(key, *id))),
                        ("node", node.clone()),
                    ],
                )
            })
            .collect();
        let end = |item: Option<&(Key, u64)>| {
            item.map_or(Node::Null, |(key, id)| Node::of(cursor(key, *id)))
        };
        let info = Node::Object(
            "PageInfo",
            vec![
                ("startCursor", end(self.items.first())),
                ("endCursor", end(self.items.last())),
                ("hasNextPage", Node::of(json!(self.has_next))),
                ("hasPreviousPage", Node::of(json!(self.has_previous))),
            ],
        );
        Node::Object(
            names.0,
            vec![
                ("edges", Node::List(edges)),
                ("nodes", Node::List(nodes)),
                ("pageInfo", info),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    fn args(value: serde_json::Value) -> Args {
        Args(value.as_object().cloned().unwrap_or_default())
    }

    fn items() -> Vec<(Key, u64)> {
        vec![
            (Key::Number(30), 3),
            (Key::Number(10), 1),
            (Key::Number(10), 2),
            (Key::Number(40), 4),
        ]
    }

    #[test]
    fn pages_follow_each_other_in_both_directions() {
        let first = Page::cut(items(), &args(json!({"first": 2})), false).unwrap();
        assert_eq!(
            first.items.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
            [1, 2]
        );
        let next = first.next().unwrap();
        let second = Page::cut(items(), &args(json!({"first": 2, "after": next})), false).unwrap();
        assert_eq!(
            second.items.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
            [3, 4]
        );
        assert!(second.next().is_none() && second.has_previous);
        let back = Page::cut(items(), &args(json!({"first": 3, "reverse": true})), false).unwrap();
        assert_eq!(
            back.items.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
            [4, 3, 2]
        );
        let last = Page::cut(items(), &args(json!({"last": 1})), false).unwrap();
        assert_eq!(
            last.items.iter().map(|(_, id)| *id).collect::<Vec<_>>(),
            [4]
        );
    }

    #[test]
    fn sizes_are_held_to() {
        for bad in [
            json!({}),
            json!({"first": 251}),
            json!({"first": 0}),
            json!({"first": 1, "last": 1}),
            json!({"first": 1, "after": "x"}),
        ] {
            assert!(
                Page::cut(items(), &args(bad.clone()), false).is_err(),
                "{bad}"
            );
        }
        assert_eq!(
            Page::cut(items(), &args(json!({"first": 1})), true)
                .unwrap()
                .items
                .len(),
            4
        );
    }
}
