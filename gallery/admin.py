"""Pictures for staff: looked at, taken down and hung again; what made them is not rewritten."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from accounts import audit
from accounts.models import User
from config.kit import media
from gallery.models import Artwork, ArtworkStyle


class StyleInline(TabularInline):  # type: ignore[misc]
    model = ArtworkStyle
    extra = 0
    can_delete = False
    fields = readonly_fields = ("style", "adapter", "weight")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Artwork)
class ArtworkAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("picture", "prompt_start", "owner", "kind", "visibility", "favourite", "created_at", "deleted_at")
    list_filter = ("kind", "visibility", ("deleted_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("public_id", "prompt", "alt_text", "owner__email", "sha256", "job")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    inlines = (StyleInline,)
    actions = ("take_down", "hang_again")
    fields = (
        "large", "owner_link", "job_link", "prompt", "alt_text", "seed", "recipe", "kind", "width", "height", "seconds",
        "bytes", "sha256", "phash", "likeness", "visibility", "favourite", "parent", "key", "poster_key", "created_at",
        "deleted_at",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return tuple(field for field in self.fields if field != "alt_text")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False  # taken down, and purged with its files after thirty days

    @admin.display(description="")
    def picture(self, artwork: Artwork) -> SafeString:
        return format_html('<img src="{}" height="48" alt="">', media.signed_url(artwork.thumb_key))

    @admin.display(description="picture")
    def large(self, artwork: Artwork) -> SafeString:
        if artwork.is_film:
            film, poster = media.signed_url(artwork.key), media.signed_url(artwork.poster_key)
            return format_html(
                '<video src="{}" poster="{}" height="320" controls preload="none"></video>', film, poster
            )
        return format_html('<img src="{}" height="320" alt="">', media.signed_url(artwork.key))

    @admin.display(description="prompt", ordering="prompt")
    def prompt_start(self, artwork: Artwork) -> str:
        return str(artwork)

    @admin.display(description="owner")
    def owner_link(self, artwork: Artwork) -> SafeString:
        address = reverse("admin:accounts_user_change", args=[artwork.owner_id])
        return format_html('<a href="{}">{}</a>', address, artwork.owner)

    @admin.display(description="job")
    def job_link(self, artwork: Artwork) -> SafeString | str:
        if not artwork.job:
            return "none"
        return format_html('<a href="{}?q={}">{}</a>', reverse("admin:gpu_job_changelist"), artwork.job, artwork.job)

    @admin.action(description="Take down", permissions=("change",))
    def take_down(self, request: HttpRequest, queryset: QuerySet[Artwork]) -> None:
        self._move(request, queryset.filter(deleted_at=None), verb="artwork.take_down", down=True)

    @admin.action(description="Hang again", permissions=("change",))
    def hang_again(self, request: HttpRequest, queryset: QuerySet[Artwork]) -> None:
        self._move(request, queryset.exclude(deleted_at=None), verb="artwork.hang_again", down=False)

    def _move(self, request: HttpRequest, queryset: QuerySet[Artwork], *, verb: str, down: bool) -> None:
        assert isinstance(request.user, User)
        moved = list(queryset)
        for artwork in moved:
            artwork.deleted_at = timezone.now() if down else None
            artwork.save(update_fields=["deleted_at"])
            audit.record(actor=request.user, verb=verb, target_kind="artwork", target=artwork.public_id)
        messages.success(request, f"{len(moved)} pictures.")


@admin.register(ArtworkStyle)
class ArtworkStyleAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("artwork", "style", "adapter", "weight")
    search_fields = ("artwork__public_id", "artwork__prompt", "style__name", "style__owner__email")
    list_filter = ("weight",)
    list_select_related = ("artwork", "style", "adapter__style")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
