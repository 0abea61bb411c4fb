//! Changes of associations. Invariant: see `links`; every change of a pair is told from both sides.

use super::happening::{By, What};
use super::inner::Inner;
use super::journal::Entry;
use super::kind::Kind;
use super::links::{Category, Definition, Link, LinkType};
use super::refused::Refused;
use super::store::Store;

impl Store {
    /// Associates two records as a person would.
    pub fn associate(
        &self,
        from: (Kind, u64),
        to: (Kind, u64),
        link_type: LinkType,
    ) -> Result<(), Refused> {
        self.associate_by(By::Human, from, to, &[link_type])
    }

    /// Removes all association between two records as a person would.
    pub fn dissociate(&self, from: (Kind, u64), to: (Kind, u64)) -> Result<(), Refused> {
        self.dissociate_by(By::Human, from, to, None)
    }

    /// The types that link two records, in this direction.
    pub fn link_types(&self, from: (Kind, u64), to: (Kind, u64)) -> Vec<LinkType> {
        self.read()
            .links
            .between(from.0, from.1, to.0, to.1)
            .into_iter()
            .map(|link| link.link_type)
            .collect()
    }

    pub(crate) fn associate_by(
        &self,
        by: By,
        from: (Kind, u64),
        to: (Kind, u64),
        types: &[LinkType],
    ) -> Result<(), Refused> {
        let now = self.now();
        let mut inner = self.write();
        let from = (from.0, inner.live_id(from)?);
        let to = (to.0, inner.live_id(to)?);
        for link_type in types {
            if inner.definition(from.0, to.0, *link_type).is_none() {
                return Err(Refused::NoSuchLinkType {
                    from: from.0,
                    to: to.0,
                });
            }
        }
        let plain = inner.unlabelled(from.0, to.0)?;
        inner.connect(by, now, from, to, plain);
        for link_type in types {
            inner.connect(by, now, from, to, *link_type);
        }
        Ok(())
    }

    /// Removes the given types, or everything. Without types, or with the unlabelled one among them, the pair is gone; else the unlabelled
    /// link stays.
    pub(crate) fn dissociate_by(
        &self,
        by: By,
        from: (Kind, u64),
        to: (Kind, u64),
        types: Option<&[LinkType]>,
    ) -> Result<(), Refused> {
        let now = self.now();
        let mut inner = self.write();
        let plain = inner.unlabelled(from.0, to.0)?;
        let types = types.filter(|types| !types.contains(&plain));
        for link in inner.links.between(from.0, from.1, to.0, to.1) {
            if types.is_none_or(|types| types.contains(&link.link_type)) {
                inner.disconnect(by, now, link);
            }
        }
        Ok(())
    }
}

impl Inner {
    pub(crate) fn live_id(&self, (kind, id): (Kind, u64)) -> Result<u64, Refused> {
        self.shelf(kind)
            .find(id)
            .map(|record| record.id)
            .ok_or(Refused::NotFound { kind, id })
    }

    /// The unlabelled type between two kinds.
    pub(crate) fn unlabelled(&self, from: Kind, to: Kind) -> Result<LinkType, Refused> {
        self.definitions
            .iter()
            .find(|d| {
                d.from == from
                    && d.to == to
                    && d.label.is_none()
                    && d.link_type.category == Category::HubspotDefined
            })
            .map(|d| d.link_type)
            .ok_or(Refused::NoSuchLinkType { from, to })
    }

    /// Inserts one type in both directions without telling anybody; used by imports and loading.
    pub(crate) fn link_quietly(&mut self, link: Link) -> bool {
        let Some(inverse) = self
            .definition(link.from_kind, link.to_kind, link.link_type)
            .map(|d| d.inverse)
        else {
            return false;
        };
        let fresh = self.links.insert(link);
        self.links.insert(reversed(link, inverse));
        fresh
    }

    pub(crate) fn unlink(&mut self, link: Link) {
        self.links.remove(&link);
        if let Some(inverse) = self
            .definition(link.from_kind, link.to_kind, link.link_type)
            .map(|d| d.inverse)
        {
            self.links.remove(&reversed(link, inverse));
        }
    }

    fn connect(
        &mut self,
        by: By,
        now: i64,
        from: (Kind, u64),
        to: (Kind, u64),
        link_type: LinkType,
    ) {
        let primary = self
            .definition(from.0, to.0, link_type)
            .is_some_and(Definition::is_primary);
        if primary {
            self.release_primary(by, now, from, to, link_type);
        }
        let link = Link {
            from_kind: from.0,
            from: from.1,
            to_kind: to.0,
            to: to.1,
            link_type,
        };
        if self.link_quietly(link) {
            self.write_journal(&Entry::Link(link));
            self.tell_link(by, now, link, false, primary);
        }
    }

    fn disconnect(&mut self, by: By, now: i64, link: Link) {
        let primary = self
            .definition(link.from_kind, link.to_kind, link.link_type)
            .is_some_and(Definition::is_primary);
        self.unlink(link);
        self.write_journal(&Entry::Unlink(link));
        self.tell_link(by, now, link, true, primary);
    }

    /// A record has one primary company: the one before gives way. The company's side is the same rule seen backwards.
    fn release_primary(
        &mut self,
        by: By,
        now: i64,
        from: (Kind, u64),
        to: (Kind, u64),
        link_type: LinkType,
    ) {
        let (owner, company_kind, own_type) = if to.0 == Kind::Companies {
            (from, to.0, link_type)
        } else {
            let inverse = self.definition(from.0, to.0, link_type).map(|d| d.inverse);
            (to, from.0, inverse.unwrap_or(link_type))
        };
        let company = if to.0 == Kind::Companies {
            to.1
        } else {
            from.1
        };
        let old: Vec<Link> = self
            .links
            .of(owner.0, owner.1, company_kind, 0)
            .filter(|link| link.link_type == own_type && link.to != company)
            .copied()
            .collect();
        for link in old {
            self.disconnect(by, now, link);
        }
    }

    fn tell_link(&self, by: By, now: i64, link: Link, removed: bool, primary: bool) {
        let sides = [
            (link.from_kind, link.from, link.to_kind, link.to),
            (link.to_kind, link.to, link.from_kind, link.from),
        ];
        for (kind, id, to_kind, to) in sides {
            self.tell(
                kind,
                id,
                now,
                by,
                What::Associated {
                    to_kind,
                    to,
                    removed,
                    primary,
                },
            );
        }
    }

    /// Moves the links of a merged record to the record it became.
    pub(crate) fn repoint(&mut self, kind: Kind, old: u64, into: u64) {
        for to_kind in Kind::ALL {
            let moving: Vec<Link> = self.links.of(kind, old, to_kind, 0).copied().collect();
            for link in moving {
                self.unlink(link);
                self.write_journal(&Entry::Unlink(link));
                let link = Link { from: into, ..link };
                if self.link_quietly(link) {
                    self.write_journal(&Entry::Link(link));
                }
            }
        }
    }
}

fn reversed(link: Link, inverse: LinkType) -> Link {
    Link {
        from_kind: link.to_kind,
        from: link.to,
        to_kind: link.from_kind,
        to: link.from,
        link_type: inverse,
    }
}
