"""PostgreSQL keeps the ledger: rows are never changed or deleted, and each transaction sums to zero when it commits."""

from django.db import migrations

APPEND_ONLY = """
create function billing_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: % of % is refused', tg_op, tg_table_name
    using errcode = 'restrict_violation';
end $$;

create trigger credit_entry_append_only before update or delete on billing_creditentry
  for each row execute function billing_refuse_change();
create trigger credit_transaction_append_only before update or delete on billing_credittransaction
  for each row execute function billing_refuse_change();
"""

SUMS_TO_ZERO = """
create function billing_sums_to_zero() returns trigger language plpgsql as $$
declare
  total bigint;
begin
  select sum(amount) into total from billing_creditentry where transaction_id = new.transaction_id;
  if total <> 0 then
    raise exception 'credit transaction % sums to %, not to zero', new.transaction_id, total
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

create constraint trigger credit_transaction_sums_to_zero after insert on billing_creditentry
  deferrable initially deferred for each row execute function billing_sums_to_zero();
"""

NO_TRIGGERS = """
drop trigger credit_transaction_sums_to_zero on billing_creditentry;
drop trigger credit_transaction_append_only on billing_credittransaction;
drop trigger credit_entry_append_only on billing_creditentry;
drop function billing_sums_to_zero();
drop function billing_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(APPEND_ONLY + SUMS_TO_ZERO, NO_TRIGGERS)]
