// The shortcodes that a desk uses; others stay as they are written.

const NAMES = `
white_check_mark ✅ heavy_check_mark ✔️ x ❌ no_entry ⛔ no_entry_sign 🚫 warning ⚠️ rotating_light 🚨 bell 🔔 no_bell 🔕
information_source ℹ️ question ❓ exclamation ❗ bangbang ‼️ red_circle 🔴 large_green_circle 🟢 large_yellow_circle 🟡
large_orange_circle 🟠 large_blue_circle 🔵 white_circle ⚪ black_circle ⚫ large_green_square 🟩 large_red_square 🟥
large_yellow_square 🟨 chart_with_upwards_trend 📈 chart_with_downwards_trend 📉 bar_chart 📊 moneybag 💰 dollar 💵
money_with_wings 💸 credit_card 💳 rocket 🚀 fire 🔥 tada 🎉 trophy 🏆 medal 🏅 dart 🎯 sparkles ✨ star ⭐ zap ⚡ boom 💥
hourglass ⌛ hourglass_flowing_sand ⏳ stopwatch ⏱️ alarm_clock ⏰ clock1 🕐 calendar 📅 date 📅 sunrise 🌅 sunny ☀️
night_with_stars 🌃 crescent_moon 🌙 new_moon 🌑 zzz 💤 arrow_up ⬆️ arrow_down ⬇️ arrow_right ➡️ arrow_left ⬅️
arrow_upper_right ↗️ arrow_lower_right ↘️ arrows_counterclockwise 🔄 repeat 🔁 up 🆙 small_red_triangle 🔺
small_red_triangle_down 🔻 double_vertical_bar ⏸️ pause_button ⏸️ arrow_forward ▶️ play_or_pause_button ⏯️
black_square_for_stop ⏹️ stop_sign 🛑 octagonal_sign 🛑 octopus 🐙 lock 🔒 unlock 🔓 key 🔑 shield 🛡️ eyes 👀 mag 🔍
bulb 💡 brain 🧠 robot_face 🤖 gear ⚙️ wrench 🔧 hammer_and_wrench 🛠️ package 📦 memo 📝 clipboard 📋 page_facing_up 📄
pushpin 📌 round_pushpin 📍 link 🔗 speech_balloon 💬 thought_balloon 💭 wave 👋 hand ✋ raised_hand ✋ thumbsup 👍
+1 👍 thumbsdown 👎 -1 👎 clap 👏 pray 🙏 muscle 💪 point_right 👉 ok_hand 👌 heart ❤️ broken_heart 💔 100 💯
smile 😄 slightly_smiling_face 🙂 grinning 😀 thinking_face 🤔 neutral_face 😐 confused 😕 cry 😢 scream 😱 sleeping 😴
skull 💀 ghost 👻 bug 🐛 snail 🐌 whale 🐳 ox 🐂 bear 🐻 bull 🐂 scales ⚖️ test_tube 🧪 microscope 🔬 satellite 📡
electric_plug 🔌 floppy_disk 💾 file_cabinet 🗄️ thermometer 🌡️ heartbeat 💓 stethoscope 🩺 ambulance 🚑 construction 🚧
scissors ✂️ wastebasket 🗑️ inbox_tray 📥 outbox_tray 📤 mailbox 📫 email ✉️ loudspeaker 📢 mega 📣 newspaper 📰
checkered_flag 🏁 triangular_flag_on_post 🚩 coin 🪙 gem 💎 bank 🏦 house 🏠 seedling 🌱 shrug 🤷 new 🆕 free 🆓 ok 🆗
`;

const words = NAMES.trim().split(/\s+/);
const EMOJI = new Map();
for (let at = 0; at < words.length; at += 2) EMOJI.set(words[at], words[at + 1]);

export const emoji = (name) => EMOJI.get(name) ?? `:${name}:`;
