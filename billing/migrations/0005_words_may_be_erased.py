"""The words of a line may be erased, when the account that it belonged to is closed; its figures never change."""

from django.db import migrations

WORDS_MAY_GO = """
create function billing_refuse_all_but_erased_words() returns trigger language plpgsql as $$
declare
  kept billing_credittransaction%rowtype;
begin
  if tg_op = 'UPDATE' and new.say = '' then
    kept := new;
    kept.say := old.say;
    if kept is not distinct from old then
      return new;
    end if;
  end if;
  raise exception 'the ledger is append-only: % of % is refused', tg_op, tg_table_name
    using errcode = 'restrict_violation';
end $$;

drop trigger credit_transaction_append_only on billing_credittransaction;
create trigger credit_transaction_append_only before update or delete on billing_credittransaction
  for each row execute function billing_refuse_all_but_erased_words();
"""

NOTHING_MAY_GO = """
drop trigger credit_transaction_append_only on billing_credittransaction;
create trigger credit_transaction_append_only before update or delete on billing_credittransaction
  for each row execute function billing_refuse_change();
drop function billing_refuse_all_but_erased_words();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_ledger")]

    operations = [migrations.RunSQL(WORDS_MAY_GO, NOTHING_MAY_GO)]
