//! What a webhook says of an event: the subscriber's own GraphQL selection, executed in the name of the endpoint's owner.
//!
//! Players: [`Selection`] is the document that a selection becomes; [`Renderer`] holds it against the schema when an endpoint is made, and executes it
//! when a delivery is made. A selection passes the same admission as a request, has the price of one as its limit, and reaches nothing outside.

mod render;
mod selection;
mod shape;

pub use render::Renderer;
pub use selection::{BadSelection, DEFAULT, Selection};
pub use shape::Shape;
