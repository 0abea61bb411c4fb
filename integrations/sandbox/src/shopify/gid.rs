//! Global ids: `gid://shopify/Order/820982911946154508`. The numbers exceed what a JavaScript number holds.

/// What an id can name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub(crate) enum Kind {
    Order,
    Customer,
    Company,
    CompanyContact,
    CompanyLocation,
    Shop,
    Refund,
    OrderTransaction,
    LineItem,
    Metafield,
    MetafieldDefinition,
    WebhookSubscription,
    BulkOperation,
    App,
    AppInstallation,
}

impl Kind {
    pub(crate) const ALL: [Self; 15] = [
        Self::Order,
        Self::Customer,
        Self::Company,
        Self::CompanyContact,
        Self::CompanyLocation,
        Self::Shop,
        Self::Refund,
        Self::OrderTransaction,
        Self::LineItem,
        Self::Metafield,
        Self::MetafieldDefinition,
        Self::WebhookSubscription,
        Self::BulkOperation,
        Self::App,
        Self::AppInstallation,
    ];

    /// The name in ids and in the schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Order => "Order",
            Self::Customer => "Customer",
            Self::Company => "Company",
            Self::CompanyContact => "CompanyContact",
            Self::CompanyLocation => "CompanyLocation",
            Self::Shop => "Shop",
            Self::Refund => "Refund",
            Self::OrderTransaction => "OrderTransaction",
            Self::LineItem => "LineItem",
            Self::Metafield => "Metafield",
            Self::MetafieldDefinition => "MetafieldDefinition",
            Self::WebhookSubscription => "WebhookSubscription",
            Self::BulkOperation => "BulkOperation",
            Self::App => "App",
            Self::AppInstallation => "AppInstallation",
        }
    }

    /// The id of one of these.
    pub(crate) fn gid(self, id: u64) -> String {
        format!("gid://shopify/{}/{id}", self.name())
    }
}

/// Reads an id. A plain number is not one, nor is a kind the sandbox does not have.
pub(crate) fn parse(text: &str) -> Option<(Kind, u64)> {
    let (name, id) = text.strip_prefix("gid://shopify/")?.split_once('/')?;
    // Some ids carry a query, such as `?shop_id=1`.
    let id = id.split_once('?').map_or(id, |(id, _)| id);
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
    Some((kind, id.parse().ok()?))
}

/// Reads the id of one kind.
pub(crate) fn parse_as(kind: Kind, text: &str) -> Option<u64> {
    parse(text)
        .filter(|(found, _)| *found == kind)
        .map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_beyond_what_javascript_holds() {
        let text = "gid://shopify/Order/820982911946154508";
        assert_eq!(parse(text), Some((Kind::Order, 820_982_911_946_154_508)));
        assert_eq!(Kind::Order.gid(820_982_911_946_154_508), text);
        assert_eq!(parse("820982911946154508"), None);
        assert_eq!(parse("gid://shopify/Banana/1"), None);
        assert_eq!(parse_as(Kind::Customer, text), None);
    }
}
