//! The rows to ask about: 2,000 partners, 5,000 customers, 100,000 deals and their shares, the same every time.
//!
//! They are written by statements and not through the product, which is not what is measured here. The ids rise with time, as the product's do.

use super::measure::cluster::Cluster;

const STATEMENTS: &str = r#"
CREATE FUNCTION pg_temp.make_id(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT ('0192' || lpad(to_hex(kind), 4, '0') || '-' || lpad(to_hex(n / 4096), 4, '0') || '-7' || lpad(to_hex(n % 4096), 3, '0') || '-8'
     || substr(md5(kind || ':' || n), 1, 3) || '-' || lpad(to_hex(n), 12, '0'))::uuid $$;

INSERT INTO partner (id, version, created_at, updated_at, name, domain, country, regions, verticals, employees, status, tags)
SELECT pg_temp.make_id(1, n), 1, 1790000000000000 + n * 1000000::bigint, 1790000000000000 + (n * 7919 % 2000) * 1000000::bigint, 'Partner ' || n || ' Systems',
  CASE WHEN n % 10 <> 0 THEN 'partner-' || n || '.example' END, (ARRAY['Germany', 'Norway', 'Japan', 'Brazil'])[1 + n % 4], '["EMEA", "APAC"]', '["Retail"]',
  n % 900, (ARRAY['ACTIVE', 'ACTIVE', 'CANDIDATE'])[1 + n % 3], '["bench"]'
FROM generate_series(1, 2000) n;

INSERT INTO partnership (id, version, created_at, updated_at, partner_id, kind, models, stage, status, priority, tags)
SELECT pg_temp.make_id(2, n), 1, 1790000000000000, 1790000000000000, pg_temp.make_id(1, n), 'CHANNEL', '[]', 'LIVE', 'ACTIVE', 'MEDIUM', '[]'
FROM generate_series(1, 2000) n;

INSERT INTO customer (id, version, created_at, updated_at, name, domain, country)
SELECT pg_temp.make_id(3, n), 1, 1790000000000000, 1790000000000000, 'Customer ' || n, 'customer-' || n || '.example', 'Norway'
FROM generate_series(1, 5000) n;

INSERT INTO deal (id, version, created_at, updated_at, name, customer_id, stage, source_stage, amount_minor, amount_currency, expected_close_on, closed_at,
  owner_name, owner_email, products, archived_at)
SELECT pg_temp.make_id(4, n), 1, 1790000000000000 + n * 1000, 1790000000000000 + (n * 7919 % 100003) * 1000000::bigint, 'Platform rollout ' || n,
  CASE WHEN n % 9 <> 0 THEN pg_temp.make_id(3, 1 + n * 31 % 5000) END, stage, lower(stage),
  CASE WHEN n % 5 <> 0 THEN (n * 7907 % 900000) * 100 + n % 100 END, CASE WHEN n % 5 <> 0 THEN (ARRAY['USD', 'EUR'])[1 + n % 2] END,
  CASE WHEN n % 4 <> 0 THEN date '2026-01-01' + (n % 300)::int END, CASE WHEN stage IN ('WON', 'LOST') THEN 1790000000000000 + n * 1000000::bigint END,
  'Owner ' || n % 40, 'owner' || n % 40 || '@sales.example', '["Licence"]', CASE WHEN n % 47 = 0 THEN 1790000000000000 END
FROM generate_series(1, 100000) n,
  LATERAL (SELECT (ARRAY['PROSPECT', 'QUALIFIED', 'TECHNICAL_VALIDATION', 'COMMITTED', 'WON', 'WON', 'LOST'])[1 + n % 7] AS stage) staged;

-- Every deal has a partner; every tenth a second one, and every twentieth has its first one in a second role.
INSERT INTO deal_partner (id, version, created_at, updated_at, deal_id, partnership_id, partner_id, role, weight_bp)
SELECT pg_temp.make_id(5, row_number() OVER ()), 1, 1790000000000000, 1790000000000000, pg_temp.make_id(4, n), pg_temp.make_id(2, partner),
  pg_temp.make_id(1, partner), role, weight
FROM (
  SELECT n, 1 + n * 37 % 2000 AS partner, 'RESOLD' AS role, 6000 AS weight FROM generate_series(1, 100000) n
  UNION ALL SELECT n, 1 + (n * 37 + 613) % 2000, 'SOURCED', 2000 FROM generate_series(1, 100000) n WHERE n % 10 = 3
  UNION ALL SELECT n, 1 + n * 37 % 2000, 'IMPLEMENTED', 1000 FROM generate_series(1, 100000) n WHERE n % 20 = 7
) shares;
"#;

/// Fills the database, and lets it look at what it holds.
pub fn fill(cluster: &Cluster) {
    cluster.run("entente", STATEMENTS);
    cluster.run("entente", "VACUUM ANALYZE");
    cluster.run("entente", "CHECKPOINT");
}
